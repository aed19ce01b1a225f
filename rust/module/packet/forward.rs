// SPDX-License-Identifier: GPL-2.0

//! Ways of forwarding a packet to its destination, one a file.

pub(super) mod nat;
pub(super) mod steer;
