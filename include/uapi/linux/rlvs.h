/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/rlvs.yaml */
/* YNL-GEN uapi header */
/* To regenerate run: tools/rlvs-ynl-regen */

#ifndef _UAPI_LINUX_RLVS_H
#define _UAPI_LINUX_RLVS_H

#define RLVS_FAMILY_NAME	"rlvs"
#define RLVS_FAMILY_VERSION	1

#define RLVS_ADDRESS_MAX_LEN	16
#define RLVS_SCHEDULER_MAX_LEN	15

/**
 * enum rlvs_service_flag - Flags of a virtual service. Those that IPVS has too
 *   have its numbers. What scheduler-fallback and scheduler-port mean, and
 *   whether a service can have them, depends on its scheduler: sh and mh have
 *   both.
 * @RLVS_SERVICE_FLAG_OPS: One-packet scheduling: each packet of a client is
 *   scheduled by itself and makes no connection entry. Of UDP services only. A
 *   destination's answers are known by its own address and port, which no
 *   other service may have a destination on.
 * @RLVS_SERVICE_FLAG_SCHEDULER_FALLBACK: A client whose destination takes no
 *   new connections is given to another one, where it would be rejected
 *   otherwise.
 * @RLVS_SERVICE_FLAG_SCHEDULER_PORT: The client's port counts as well as its
 *   address: the connections of one client go to several destinations.
 * @RLVS_SERVICE_FLAG_SLOPPY: A TCP segment or SCTP packet in mid-stream opens
 *   a connection entry if it has none, as with the sysctls sloppy_tcp and
 *   sloppy_sctp for all services. No effect for UDP.
 * @RLVS_SERVICE_FLAG_UNCOUNTED: While the service steers, its connections are
 *   not recorded, so that they take no memory and their number is not known.
 *   Only for a TCP service that is neither persistent nor sloppy, with a
 *   scheduler that does not go by connections, and destinations without
 *   bounds.
 */
enum rlvs_service_flag {
	RLVS_SERVICE_FLAG_OPS = 4,
	RLVS_SERVICE_FLAG_SCHEDULER_FALLBACK = 8,
	RLVS_SERVICE_FLAG_SCHEDULER_PORT = 16,
	RLVS_SERVICE_FLAG_SLOPPY = 65536,
	RLVS_SERVICE_FLAG_UNCOUNTED = 131072,
};

/**
 * enum rlvs_forwarding_method - How a packet is carried from the virtual
 *   service to a destination.
 * @RLVS_FORWARDING_METHOD_NAT: The destination address and port of the
 *   client's packets are rewritten to the destination's, and the source of its
 *   answers back to the service's.
 * @RLVS_FORWARDING_METHOD_STEER: A TCP client's first segment is handed to the
 *   destination's listening socket as it is, and the host makes the connection
 *   with the service's address and port. Nothing is rewritten.
 * @RLVS_FORWARDING_METHOD_AUTO: steer where the whole service can, nat
 *   elsewhere: for UDP and SCTP, for a persistent service, with the flag
 *   sloppy, and for a service that has a destination whose method is nat. In
 *   requests and as requested-method only.
 */
enum rlvs_forwarding_method {
	RLVS_FORWARDING_METHOD_NAT,
	RLVS_FORWARDING_METHOD_STEER,
	RLVS_FORWARDING_METHOD_AUTO,
};

/**
 * enum rlvs_connection_state - State of a connection entry, as followed from
 *   the packets of both directions. The TCP states have the names of RFC 9293
 *   section 3.3.2 where there is one. Those from init1 on are of SCTP, with
 *   the names of RFC 9260 section 4 where there is one; SCTP has none and
 *   established too.
 * @RLVS_CONNECTION_STATE_NONE: No state was seen yet.
 * @RLVS_CONNECTION_STATE_ESTABLISHED: The handshake is complete.
 * @RLVS_CONNECTION_STATE_SYN_SENT: The destination side sent a SYN of its own.
 * @RLVS_CONNECTION_STATE_SYN_RECEIVED: The client's SYN was seen, the
 *   handshake is not complete.
 * @RLVS_CONNECTION_STATE_FIN_WAIT: One side has closed.
 * @RLVS_CONNECTION_STATE_TIME_WAIT: Both sides have closed; late packets are
 *   still matched.
 * @RLVS_CONNECTION_STATE_CLOSE: The connection was reset or has ended.
 * @RLVS_CONNECTION_STATE_CLOSE_WAIT: The client has closed, the destination
 *   has not yet.
 * @RLVS_CONNECTION_STATE_LAST_ACK: The acknowledgement of the last FIN is
 *   outstanding.
 * @RLVS_CONNECTION_STATE_LISTEN: Reserved for a listening end.
 * @RLVS_CONNECTION_STATE_SYN_ACK: The SYN was answered, the answer not yet
 *   acknowledged.
 * @RLVS_CONNECTION_STATE_UDP: A UDP flow that the destination has answered.
 * @RLVS_CONNECTION_STATE_INIT1: The client's first SCTP INIT was seen.
 * @RLVS_CONNECTION_STATE_INIT: The client has sent INIT again.
 * @RLVS_CONNECTION_STATE_COOKIE_SENT: The destination has answered INIT, with
 *   a cookie.
 * @RLVS_CONNECTION_STATE_COOKIE_REPLIED: The client has sent the cookie back.
 * @RLVS_CONNECTION_STATE_COOKIE_WAIT: The destination side sent an INIT of its
 *   own.
 * @RLVS_CONNECTION_STATE_COOKIE: The client has answered the destination's
 *   INIT, with a cookie.
 * @RLVS_CONNECTION_STATE_COOKIE_ECHOED: The destination has sent the client's
 *   cookie back.
 * @RLVS_CONNECTION_STATE_SHUTDOWN_SENT: The destination has sent SHUTDOWN.
 * @RLVS_CONNECTION_STATE_SHUTDOWN_RECEIVED: The client has sent SHUTDOWN.
 * @RLVS_CONNECTION_STATE_SHUTDOWN_ACK_SENT: The destination has answered
 *   SHUTDOWN.
 * @RLVS_CONNECTION_STATE_REJECTED: The destination has answered the first INIT
 *   with ABORT.
 * @RLVS_CONNECTION_STATE_CLOSED: The association was aborted or has ended.
 * @RLVS_CONNECTION_STATE_UDP_UNANSWERED: A UDP flow that the destination has
 *   not answered yet.
 */
enum rlvs_connection_state {
	RLVS_CONNECTION_STATE_NONE,
	RLVS_CONNECTION_STATE_ESTABLISHED,
	RLVS_CONNECTION_STATE_SYN_SENT,
	RLVS_CONNECTION_STATE_SYN_RECEIVED,
	RLVS_CONNECTION_STATE_FIN_WAIT,
	RLVS_CONNECTION_STATE_TIME_WAIT,
	RLVS_CONNECTION_STATE_CLOSE,
	RLVS_CONNECTION_STATE_CLOSE_WAIT,
	RLVS_CONNECTION_STATE_LAST_ACK,
	RLVS_CONNECTION_STATE_LISTEN,
	RLVS_CONNECTION_STATE_SYN_ACK,
	RLVS_CONNECTION_STATE_UDP,
	RLVS_CONNECTION_STATE_INIT1,
	RLVS_CONNECTION_STATE_INIT,
	RLVS_CONNECTION_STATE_COOKIE_SENT,
	RLVS_CONNECTION_STATE_COOKIE_REPLIED,
	RLVS_CONNECTION_STATE_COOKIE_WAIT,
	RLVS_CONNECTION_STATE_COOKIE,
	RLVS_CONNECTION_STATE_COOKIE_ECHOED,
	RLVS_CONNECTION_STATE_SHUTDOWN_SENT,
	RLVS_CONNECTION_STATE_SHUTDOWN_RECEIVED,
	RLVS_CONNECTION_STATE_SHUTDOWN_ACK_SENT,
	RLVS_CONNECTION_STATE_REJECTED,
	RLVS_CONNECTION_STATE_CLOSED,
	RLVS_CONNECTION_STATE_UDP_UNANSWERED,
};

/**
 * enum rlvs_event_type - What has become of a destination.
 * @RLVS_EVENT_TYPE_UP: A process listens there again.
 * @RLVS_EVENT_TYPE_DOWN: No process listens there.
 * @RLVS_EVENT_TYPE_DRAINING: It is given no new connections, as its weight is
 *   0 or it was deleted.
 * @RLVS_EVENT_TYPE_DRAINED: It is given no new connections, and nothing is in
 *   flight: its process can be stopped without a client noticing.
 * @RLVS_EVENT_TYPE_RESUMED: It is given new connections again, or was added
 *   and is given them for the first time.
 * @RLVS_EVENT_TYPE_OVERLOADED: Its process takes no more: the accept queue, or
 *   the receive buffer of a UDP socket, is full, or there are as many
 *   connections as max-connections says.
 * @RLVS_EVENT_TYPE_NOT_OVERLOADED: It is not overloaded any more.
 * @RLVS_EVENT_TYPE_RETRIED: Connections that could not be opened there were
 *   given to other destinations.
 */
enum rlvs_event_type {
	RLVS_EVENT_TYPE_UP,
	RLVS_EVENT_TYPE_DOWN,
	RLVS_EVENT_TYPE_DRAINING,
	RLVS_EVENT_TYPE_DRAINED,
	RLVS_EVENT_TYPE_RESUMED,
	RLVS_EVENT_TYPE_OVERLOADED,
	RLVS_EVENT_TYPE_NOT_OVERLOADED,
	RLVS_EVENT_TYPE_RETRIED,
};

enum {
	RLVS_A_SERVICE_PROTOCOL = 1,
	RLVS_A_SERVICE_ADDRESS,
	RLVS_A_SERVICE_PORT,
	RLVS_A_SERVICE_SCHEDULER,
	RLVS_A_SERVICE_CUT,
	RLVS_A_SERVICE_DESTINATIONS,
	RLVS_A_SERVICE_STATS,
	RLVS_A_SERVICE_FLAGS,
	RLVS_A_SERVICE_FLAGS_MASK,
	RLVS_A_SERVICE_TABLE_SIZE,
	RLVS_A_SERVICE_TIMEOUT_TCP,
	RLVS_A_SERVICE_TIMEOUT_FIN,
	RLVS_A_SERVICE_TIMEOUT_UDP,
	RLVS_A_SERVICE_PERSISTENT,
	RLVS_A_SERVICE_PERSISTENT_PREFIX,
	RLVS_A_SERVICE_SLOW_START,
	RLVS_A_SERVICE_HERE,

	__RLVS_A_SERVICE_MAX,
	RLVS_A_SERVICE_MAX = (__RLVS_A_SERVICE_MAX - 1)
};

enum {
	RLVS_A_DESTINATION_SERVICE = 1,
	RLVS_A_DESTINATION_ADDRESS,
	RLVS_A_DESTINATION_PORT,
	RLVS_A_DESTINATION_LAST_PORT,
	RLVS_A_DESTINATION_METHOD,
	RLVS_A_DESTINATION_WEIGHT,
	RLVS_A_DESTINATION_CUT,
	RLVS_A_DESTINATION_ACTIVE_CONNECTIONS,
	RLVS_A_DESTINATION_INACTIVE_CONNECTIONS,
	RLVS_A_DESTINATION_STATS,
	RLVS_A_DESTINATION_MAX_CONNECTIONS,
	RLVS_A_DESTINATION_MIN_CONNECTIONS,
	RLVS_A_DESTINATION_TEMPLATES,
	RLVS_A_DESTINATION_LISTENING,
	RLVS_A_DESTINATION_PRIVATE,
	RLVS_A_DESTINATION_IN_FLIGHT,
	RLVS_A_DESTINATION_DRAINED,
	RLVS_A_DESTINATION_REQUESTED_METHOD,
	RLVS_A_DESTINATION_HERE,
	RLVS_A_DESTINATION_USER,

	__RLVS_A_DESTINATION_MAX,
	RLVS_A_DESTINATION_MAX = (__RLVS_A_DESTINATION_MAX - 1)
};

enum {
	RLVS_A_STATS_CONNECTIONS = 1,
	RLVS_A_STATS_IN_PACKETS,
	RLVS_A_STATS_OUT_PACKETS,
	RLVS_A_STATS_IN_BYTES,
	RLVS_A_STATS_OUT_BYTES,
	RLVS_A_STATS_AVOIDED,

	__RLVS_A_STATS_MAX,
	RLVS_A_STATS_MAX = (__RLVS_A_STATS_MAX - 1)
};

enum {
	RLVS_A_CONNECTION_PROTOCOL = 1,
	RLVS_A_CONNECTION_CLIENT_ADDRESS,
	RLVS_A_CONNECTION_CLIENT_PORT,
	RLVS_A_CONNECTION_SERVICE_ADDRESS,
	RLVS_A_CONNECTION_SERVICE_PORT,
	RLVS_A_CONNECTION_DESTINATION_ADDRESS,
	RLVS_A_CONNECTION_DESTINATION_PORT,
	RLVS_A_CONNECTION_STATE,
	RLVS_A_CONNECTION_EXPIRES,
	RLVS_A_CONNECTION_CLIENT_PREFIX,
	RLVS_A_CONNECTION_CONNECTIONS,
	RLVS_A_CONNECTION_CLIENT_DEVICE,

	__RLVS_A_CONNECTION_MAX,
	RLVS_A_CONNECTION_MAX = (__RLVS_A_CONNECTION_MAX - 1)
};

enum {
	RLVS_A_COUNTERS_CONNECTIONS = 1,
	RLVS_A_COUNTERS_ENTRIES,
	RLVS_A_COUNTERS_NO_DESTINATION,
	RLVS_A_COUNTERS_CONFLICT,
	RLVS_A_COUNTERS_NO_MEMORY,
	RLVS_A_COUNTERS_TABLE_FULL,
	RLVS_A_COUNTERS_TRUNCATED,
	RLVS_A_COUNTERS_MALFORMED,
	RLVS_A_COUNTERS_FRAGMENT,
	RLVS_A_COUNTERS_UNWRITABLE,
	RLVS_A_COUNTERS_ROUTE_FAILED,
	RLVS_A_COUNTERS_REJECTED,
	RLVS_A_COUNTERS_ICMP_ERROR,
	RLVS_A_COUNTERS_DROP_PACKET,
	RLVS_A_COUNTERS_DROP_ENTRY,
	RLVS_A_COUNTERS_EARLY_EXPIRED,
	RLVS_A_COUNTERS_TEMPLATES,
	RLVS_A_COUNTERS_NO_ENTRY,
	RLVS_A_COUNTERS_RETRIED,
	RLVS_A_COUNTERS_RETRY_NOT_KEPT,
	RLVS_A_COUNTERS_RETRY_NO_DESTINATION,
	RLVS_A_COUNTERS_RETRY_NOT_HANDLED,
	RLVS_A_COUNTERS_PRIVATE,
	RLVS_A_COUNTERS_STEERED,
	RLVS_A_COUNTERS_UNCOUNTED,
	RLVS_A_COUNTERS_UDP_FULL,
	RLVS_A_COUNTERS_TOTAL_FULL,

	__RLVS_A_COUNTERS_MAX,
	RLVS_A_COUNTERS_MAX = (__RLVS_A_COUNTERS_MAX - 1)
};

enum {
	RLVS_A_TIMEOUTS_TCP = 1,
	RLVS_A_TIMEOUTS_TCP_FIN,
	RLVS_A_TIMEOUTS_UDP,

	__RLVS_A_TIMEOUTS_MAX,
	RLVS_A_TIMEOUTS_MAX = (__RLVS_A_TIMEOUTS_MAX - 1)
};

enum {
	RLVS_A_EVENT_TYPE = 1,
	RLVS_A_EVENT_SERVICE,
	RLVS_A_EVENT_ADDRESS,
	RLVS_A_EVENT_PORT,
	RLVS_A_EVENT_IN_FLIGHT,
	RLVS_A_EVENT_COUNT,

	__RLVS_A_EVENT_MAX,
	RLVS_A_EVENT_MAX = (__RLVS_A_EVENT_MAX - 1)
};

enum {
	RLVS_CMD_SERVICE_ADD = 1,
	RLVS_CMD_SERVICE_SET,
	RLVS_CMD_SERVICE_DEL,
	RLVS_CMD_SERVICE_ZERO,
	RLVS_CMD_SERVICE_GET,
	RLVS_CMD_DESTINATION_ADD,
	RLVS_CMD_DESTINATION_SET,
	RLVS_CMD_DESTINATION_DEL,
	RLVS_CMD_DESTINATION_GET,
	RLVS_CMD_CONNECTION_GET,
	RLVS_CMD_COUNTERS_GET,
	RLVS_CMD_FLUSH,
	RLVS_CMD_TIMEOUTS_GET,
	RLVS_CMD_TIMEOUTS_SET,
	RLVS_CMD_TEMPLATE_GET,
	RLVS_CMD_EVENT,

	__RLVS_CMD_MAX,
	RLVS_CMD_MAX = (__RLVS_CMD_MAX - 1)
};

#define RLVS_MCGRP_EVENTS	"events"

#endif /* _UAPI_LINUX_RLVS_H */
