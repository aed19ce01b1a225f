// SPDX-License-Identifier: GPL-2.0
// error: lifetime may not live long enough

//! What a namespace's state is made with cannot be kept for longer than it takes to make it: sysctls
//! would be made in a namespace that is gone.

use rlvs_kext::netns::{Namespace, Setup};

/// Keeps it.
pub fn keep<'a, T: Namespace>(place: &mut Option<Setup<'static, T>>, setup: Setup<'a, T>) {
    *place = Some(setup);
}
