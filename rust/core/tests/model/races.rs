// SPDX-License-Identifier: GPL-2.0

//! What happens at once, and must come out right in every order.

use crate::{
    cpu::{nothing, Role, ACK, LATE, RST, SOON, SYN},
    explore,
    machine::Sound,
    world::{Mistakes, Plan, World},
};

/// A flow of a client to the first destination, and others that have one key or both in common.
pub(crate) const FLOW: Plan = Plan {
    inbound: 0,
    reply: 1,
    destination: 0,
};
pub(crate) const SAME_KEYS: Plan = FLOW;
pub(crate) const OTHER_DESTINATION: Plan = Plan {
    inbound: 0,
    reply: 2,
    destination: 1,
};
pub(crate) const OTHER_SERVICE: Plan = Plan {
    inbound: 2,
    reply: 1,
    destination: 0,
};
pub(crate) const UNRELATED: Plan = Plan {
    inbound: 2,
    reply: 3,
    destination: 0,
};

/// Tries `roles` in every order, after `first`.
fn race<const N: usize>(
    plans: &'static [Plan],
    first: Role<Sound>,
    roles: [Role<Sound>; N],
    holds: fn(&[usize]) -> bool,
) {
    explore(move || {
        let used = World::new(Mistakes::default(), plans).run(first, &roles);
        assert!(holds(&used), "the flows that were used: {used:?}");
    });
}

/// What is to be said of the flows that packets used, if nothing is.
fn any(_: &[usize]) -> bool {
    true
}

/// All packets went the same way.
fn one(used: &[usize]) -> bool {
    matches!(used, [first, others @ ..] if others.iter().all(|number| number == first))
}

#[test]
fn first_packets_on_two_cpus() {
    race(
        &[FLOW, SAME_KEYS],
        nothing,
        [
            |cpu| cpu.client_sends(0, SYN, SOON),
            |cpu| cpu.client_sends(1, SYN, SOON),
            |cpu| cpu.server_sends(1, ACK, SOON),
        ],
        |used| used.len() == 2 && one(used),
    );
}

#[test]
fn first_packets_that_get_two_destinations() {
    race(
        &[FLOW, OTHER_DESTINATION],
        nothing,
        [
            |cpu| cpu.client_sends(0, SYN, SOON),
            |cpu| cpu.client_sends(1, SYN, SOON),
            // For a moment this finds the flow that is then refused.
            |cpu| cpu.server_sends(2, ACK, SOON),
        ],
        |used| used.len() == 2 && one(used),
    );
}

#[test]
fn two_clients_that_a_destination_cannot_tell_apart() {
    race(
        &[FLOW, OTHER_SERVICE],
        nothing,
        [
            |cpu| cpu.client_sends(0, SYN, SOON),
            |cpu| cpu.client_sends(1, SYN, SOON),
            |cpu| cpu.server_sends(1, ACK, SOON),
        ],
        |used| used.len() == 1,
    );
}

#[test]
fn packets_against_removal() {
    race(
        &[FLOW],
        |cpu| cpu.client_sends(0, SYN, SOON),
        [
            |cpu| cpu.client_sends(0, ACK, SOON),
            |cpu| cpu.server_sends(1, RST, SOON),
            |cpu| cpu.remove_found(0),
        ],
        any,
    );
}

#[test]
fn insertion_against_removal() {
    race(
        &[FLOW],
        nothing,
        [
            |cpu| cpu.client_sends(0, SYN, SOON),
            |cpu| cpu.remove_found(0),
            |cpu| cpu.server_sends(1, ACK, SOON),
        ],
        |used| used == [0],
    );
}

#[test]
fn refusal_against_removal_by_the_reply_key() {
    race(
        &[FLOW, OTHER_DESTINATION],
        |cpu| cpu.client_sends(0, SYN, SOON),
        [
            |cpu| cpu.insert_blindly(1),
            |cpu| cpu.remove_found(2),
            |cpu| cpu.server_sends(2, ACK, SOON),
        ],
        any,
    );
}

#[test]
fn two_removers() {
    race(
        &[FLOW, SAME_KEYS],
        |cpu| cpu.client_sends(0, SYN, SOON),
        [
            |cpu| cpu.expire(LATE),
            |cpu| cpu.remove_found(1),
            |cpu| cpu.client_sends(1, SYN, LATE),
        ],
        |used| used.len() == 2,
    );
}

#[test]
fn expiry_against_a_packet_that_refreshes() {
    race(
        &[FLOW, SAME_KEYS],
        |cpu| cpu.client_sends(0, SYN, SOON),
        [
            |cpu| cpu.expire(LATE),
            |cpu| cpu.client_sends(1, SYN, LATE),
            |cpu| cpu.server_sends(1, ACK, LATE),
        ],
        |used| used.len() == 2,
    );
}

#[test]
fn a_port_is_used_again_on_two_cpus() {
    race(
        &[FLOW, SAME_KEYS, OTHER_DESTINATION],
        |cpu| {
            cpu.client_sends(0, SYN, SOON);
            cpu.server_sends(1, RST, SOON);
        },
        [
            |cpu| cpu.client_sends(1, SYN, SOON),
            |cpu| cpu.client_sends(2, SYN, SOON),
            |cpu| cpu.remove_found(0),
        ],
        |used| used.len() == 3,
    );
}

#[test]
fn deletion_against_insertion() {
    race(
        &[FLOW, UNRELATED],
        nothing,
        [
            |cpu| cpu.client_sends(0, SYN, SOON),
            |cpu| cpu.client_sends(1, SYN, SOON),
            |cpu| cpu.delete(0),
        ],
        any,
    );
}

#[test]
fn deletion_against_expiry() {
    race(
        &[FLOW, UNRELATED],
        |cpu| cpu.client_sends(0, SYN, SOON),
        [
            |cpu| cpu.expire(LATE),
            |cpu| cpu.client_sends(1, SYN, SOON),
            |cpu| cpu.delete(0),
        ],
        any,
    );
}

#[test]
fn draining_against_insertion_and_removal() {
    race(
        &[FLOW, UNRELATED],
        |cpu| cpu.client_sends(0, SYN, SOON),
        [
            |cpu| cpu.remove_found(0),
            |cpu| cpu.client_sends(1, SYN, SOON),
            |cpu| {
                cpu.leave(0);
                cpu.settle();
            },
        ],
        any,
    );
}

#[test]
fn deletion_against_insertion_and_the_periodic_work() {
    race(
        &[FLOW],
        nothing,
        [
            |cpu| cpu.client_sends(0, SYN, SOON),
            |cpu| cpu.leave(0),
            |cpu| cpu.settle(),
        ],
        any,
    );
}

#[test]
fn a_destination_that_comes_back_against_insertion_and_the_periodic_work() {
    race(
        &[FLOW],
        |cpu| cpu.leave(0),
        [
            |cpu| cpu.client_sends(0, SYN, SOON),
            |cpu| {
                cpu.come_back(0);
                cpu.leave(0);
            },
            |cpu| cpu.settle(),
        ],
        any,
    );
}

#[test]
fn resize_against_lookups() {
    race(
        &[FLOW],
        |cpu| cpu.client_sends(0, SYN, SOON),
        [
            |cpu| cpu.must_find(0),
            |cpu| cpu.must_find(0),
            |cpu| cpu.resize(),
        ],
        any,
    );
}

#[test]
fn resize_against_insertions() {
    race(
        &[FLOW, SAME_KEYS],
        nothing,
        [
            |cpu| cpu.insert_blindly(0),
            |cpu| cpu.insert_blindly(1),
            |cpu| cpu.resize(),
        ],
        any,
    );
}

#[test]
fn resize_against_removal_and_a_new_flow() {
    race(
        &[FLOW, SAME_KEYS],
        |cpu| cpu.client_sends(0, SYN, SOON),
        [
            |cpu| cpu.expire(LATE),
            |cpu| cpu.client_sends(1, SYN, LATE),
            |cpu| cpu.resize(),
        ],
        |used| used.len() == 2,
    );
}

#[test]
fn resize_against_deletion() {
    race(
        &[FLOW],
        nothing,
        [
            |cpu| cpu.client_sends(0, SYN, SOON),
            |cpu| cpu.delete(0),
            |cpu| cpu.resize(),
        ],
        any,
    );
}
