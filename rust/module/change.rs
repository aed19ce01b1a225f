// SPDX-License-Identifier: GPL-2.0

//! Changes of the configuration: what a request does to it, whichever netlink family it came by.

pub(crate) mod abort;
