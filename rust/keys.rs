// SPDX-License-Identifier: GPL-2.0

//! The keys of the core as the tables of flows have them: with a hash.
//!
//! A client's end is hashed with the table's secret once for both keys of its connection, the other end
//! for each of them, with another part of the secret: a client may choose that end, too.

use rlvs_core::tuple::{Side, Tuple};
use rlvs_kext::flow_table::{self, Digest, FlowTable, Hashed, Second};

use crate::family::Family;

/// A table of flows that are found by keys of the core.
type Table<A, T, R> = FlowTable<<A as rlvs_core::address::Ip>::Words, T, R>;

/// The hash of the client's end of a key, which is that of both keys of a connection.
#[inline]
pub(crate) fn digest<'a, A: Family, T: Send + Sync + 'static, R: Second<A::Words>>(
    table: &'a Table<A, T, R>,
    tuple: &Tuple<A>,
) -> Digest<'a> {
    table.digest(tuple.client_words().as_ref())
}

/// The key with its hash, `digest` being that of its client's end.
#[inline]
pub(crate) fn with_digest<A: Family>(digest: Digest<'_>, tuple: &Tuple<A>) -> Hashed<A::Words> {
    let side = match tuple.side() {
        Side::Inbound => flow_table::Side::Inbound,
        Side::Reply => flow_table::Side::Reply,
    };
    digest.hashed(side, tuple.as_words(), tuple.spread(digest.secret()))
}

/// The key with its hash.
#[inline]
pub(crate) fn hashed<A: Family, T: Send + Sync + 'static, R: Second<A::Words>>(
    table: &Table<A, T, R>,
    tuple: &Tuple<A>,
) -> Hashed<A::Words> {
    with_digest(digest(table, tuple), tuple)
}
