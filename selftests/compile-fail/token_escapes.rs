// SPDX-License-Identifier: GPL-2.0
// error: lifetime may not live long enough

//! The token cannot leave the section that it is the proof of.

use rlvs_kext::bh::with_bh_disabled;

/// Keeps the token.
pub fn keep() {
    let token = with_bh_disabled(|bh| bh);
    let _ = token;
}
