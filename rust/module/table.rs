// SPDX-License-Identifier: GPL-2.0

//! What is looked up for packets, or counts them: connections, templates, records, ports.

pub(crate) mod ceiling;
pub(crate) mod connection;
pub(crate) mod cursor;
pub(crate) mod key;
pub(crate) mod ports;
pub(crate) mod steered;
pub(crate) mod template;
pub(crate) mod unanswered;
