/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the series of Linux that the module builds for: names of
 * Linux 7.2 for what a later one has under another name. Kbuild defines
 * RLVS_SINCE_*. In Rust there is no difference: what the kernel crate has in
 * another form in each series comes from a helper.
 */
#ifndef RLVS_SERIES_H
#define RLVS_SERIES_H

#ifdef RLVS_SINCE_7_3
#define rcu_gp_oldstate rcu_gp_seq
#endif

#endif
