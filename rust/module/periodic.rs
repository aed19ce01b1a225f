// SPDX-License-Identifier: GPL-2.0

//! The periodic work of a network namespace.

pub(crate) mod expire;
mod listening;
mod rates;
mod settle;
