// SPDX-License-Identifier: GPL-2.0
// error: E0507

//! The token cannot be copied out of its section.

use rlvs_kext::bh::{with_bh_disabled, LocalBhDisabled};

/// Copies the token.
pub fn copy() -> LocalBhDisabled {
    with_bh_disabled(|bh| *bh)
}
