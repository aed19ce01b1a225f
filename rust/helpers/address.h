/* SPDX-License-Identifier: GPL-2.0 */
/* Addresses as Rust has them, octets in network byte order without alignment. */
#ifndef RLVS_ADDRESS_H
#define RLVS_ADDRESS_H

#include <linux/in6.h>
#include <linux/string.h>
#include <linux/types.h>

static inline __be32 rlvs_addr4(const u8 *octets)
{
	__be32 address;

	memcpy(&address, octets, sizeof(address));
	return address;
}

static inline struct in6_addr rlvs_addr6(const u8 *octets)
{
	struct in6_addr address;

	memcpy(&address, octets, sizeof(address));
	return address;
}

#endif
