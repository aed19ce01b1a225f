// SPDX-License-Identifier: GPL-2.0

//! Keys of the tables of flows: those of the core, with a hash and a zone.
//!
//! A client's end is hashed with the table's secret once for both keys of its connection, the other
//! end for each of them, with another part of the secret: a client may choose that end, too.
//!
//! A key is in a zone as well: the index of the device that keeps the client apart from others with
//! the same address, 0 for nearly every client (which device, see [`crate::packet`]).

use rlvs_core::connection::tuple::{Side, Tuple};
use rlvs_kext::flow_table::{self, Digest, Flow, FlowTable, Hashed, Second};

use crate::family::IpFamily;

/// A table of flows that are found by keys of the core.
type Table<A, T, R> = FlowTable<<A as rlvs_core::address::Ip>::Words, T, R>;

/// Returns the hash of the client's end of a key, which is that of both keys of a connection; in
/// zone 0.
#[inline]
pub(crate) fn digest<'a, A: IpFamily, T: Send + Sync + 'static, R: Second<A::Words>>(
    table: &'a Table<A, T, R>,
    tuple: &Tuple<A>,
) -> Digest<'a> {
    table.digest(tuple.client_words().as_ref())
}

/// Returns the key with its hash, `digest` being that of its client's end.
#[inline]
pub(crate) fn with_digest<A: IpFamily>(digest: Digest<'_>, tuple: &Tuple<A>) -> Hashed<A::Words> {
    let side = match tuple.side() {
        Side::Inbound => flow_table::Side::Inbound,
        Side::Reply => flow_table::Side::Reply,
    };
    digest.hashed(side, tuple.as_words(), tuple.spread(digest.secret()))
}

/// Returns the key with its hash.
#[inline]
pub(crate) fn hashed<A: IpFamily, T: Send + Sync + 'static, R: Second<A::Words>>(
    table: &Table<A, T, R>,
    tuple: &Tuple<A>,
    zone: u32,
) -> Hashed<A::Words> {
    with_digest(digest(table, tuple).in_zone(zone), tuple)
}

/// Returns the zone of a flow of the table.
pub(crate) fn zone<A: IpFamily, T: Send + Sync + 'static, R: Second<A::Words>>(
    table: &Table<A, T, R>,
    flow: &Flow<A::Words, T, R>,
) -> u32 {
    let key = flow.hashed_key();
    zone_of(table, &Tuple::<A>::from_words(key.words()), &key)
}

/// Returns the zone of a key whose words are those of `tuple`.
pub(crate) fn zone_of<A: IpFamily, T: Send + Sync + 'static, R: Second<A::Words>>(
    table: &Table<A, T, R>,
    tuple: &Tuple<A>,
    key: &Hashed<A::Words>,
) -> u32 {
    key.zone(&hashed(table, tuple, 0))
}
