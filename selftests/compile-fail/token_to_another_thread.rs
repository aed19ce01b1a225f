// SPDX-License-Identifier: GPL-2.0
// error: E0277

//! The token speaks of the current CPU only and cannot be sent to another thread.

use rlvs_kext::bh::{with_bh_disabled, LocalBhDisabled};

fn send<T: Send>(_: T) {}

fn as_sent(bh: &LocalBhDisabled) {
    send(bh);
}

/// Sends the token.
pub fn sent() {
    with_bh_disabled(as_sent);
}
