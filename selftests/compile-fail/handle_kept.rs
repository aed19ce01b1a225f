// SPDX-License-Identifier: GPL-2.0
// error: lifetime may not live long enough

//! The handle of a namespace cannot be kept where a hook would find it.

use rlvs_kext::netns::{Handle, Namespace};

/// Keeps the handle.
pub fn keep<'a, T: Namespace>(place: &mut Option<Handle<'static, T>>, handle: Handle<'a, T>) {
    *place = Some(handle);
}
