// SPDX-License-Identifier: GPL-2.0
// error: E0521

//! The token cannot be stored for later either.

use rlvs_kext::bh::{with_bh_disabled, LocalBhDisabled};

/// Stores the token.
pub fn store<'a>(place: &mut Option<&'a LocalBhDisabled>) {
    with_bh_disabled(|bh| *place = Some(bh));
}
