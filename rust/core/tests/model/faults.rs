// SPDX-License-Identifier: GPL-2.0

//! A fault or a mistake is put in, and the model must find it, for the reason that is given.
//!
//! Without these, a model that says nothing could be one that sees nothing.

use crate::{
    cpu::{nothing, Role, ACK, RST, SOON, SYN},
    explore,
    machine::{Fault, NeverRemoved, NeverUncounted, Sound, Torn},
    races::{FLOW, OTHER_DESTINATION},
    world::{Mistakes, Plan, World},
};

/// Tries `roles` in every order, after `first`, on words with the fault `F`.
fn race<F: Fault, const N: usize>(
    mistakes: Mistakes,
    plans: &'static [Plan],
    first: Role<F>,
    roles: [Role<F>; N],
) {
    explore(move || {
        World::new(mistakes, plans).run(first, &roles);
    });
}

/// A server's packet finds the flow that is then refused, and has it counted.
#[test]
#[should_panic(expected = "the counts are not the table's")]
fn entries_that_are_counted_from_their_start() {
    race::<NeverUncounted, 3>(
        Mistakes::default(),
        &[FLOW, OTHER_DESTINATION],
        nothing,
        [
            |cpu| cpu.client_sends(0, SYN, SOON),
            |cpu| cpu.client_sends(1, SYN, SOON),
            |cpu| cpu.server_sends(2, ACK, SOON),
        ],
    );
}

/// A packet that has found the entry before moves its state after it was counted off.
#[test]
#[should_panic(expected = "the counts are not the table's")]
fn entries_that_do_not_know_of_their_removal() {
    race::<NeverRemoved, 2>(
        Mistakes::default(),
        &[FLOW],
        |cpu| cpu.client_sends(0, SYN, SOON),
        [
            |cpu| cpu.server_sends(1, RST, SOON),
            |cpu| cpu.remove_found(0),
        ],
    );
}

/// Both packets believe that they have moved the state.
#[test]
#[should_panic(expected = "the counts are not the table's")]
fn states_that_are_written_without_comparing() {
    race::<Torn, 2>(
        Mistakes::default(),
        &[FLOW],
        |cpu| cpu.client_sends(0, SYN, SOON),
        [
            |cpu| cpu.server_sends(1, RST, SOON),
            |cpu| cpu.server_sends(1, RST, SOON),
        ],
    );
}

/// A packet still has the flow that another CPU has removed.
#[test]
#[should_panic(expected = "a freed flow is used")]
fn flows_that_are_freed_at_once() {
    race::<Sound, 2>(
        Mistakes {
            frees_at_once: true,
            ..Mistakes::default()
        },
        &[FLOW],
        |cpu| cpu.client_sends(0, SYN, SOON),
        [
            |cpu| cpu.client_sends(0, ACK, SOON),
            |cpu| cpu.remove_found(0),
        ],
    );
}

/// A packet has picked the destination and inserts after the walk.
#[test]
#[should_panic(expected = "a connection of a deleted destination is left")]
fn connections_that_are_cut_without_a_grace_period() {
    race::<Sound, 2>(
        Mistakes {
            cuts_at_once: true,
            ..Mistakes::default()
        },
        &[FLOW],
        nothing,
        [|cpu| cpu.client_sends(0, SYN, SOON), |cpu| cpu.delete(0)],
    );
}

/// The count is zero while a packet that has picked the destination is about to insert.
#[test]
#[should_panic(expected = "a connection of a forgotten destination is left")]
fn destinations_that_are_forgotten_without_a_grace_period() {
    race::<Sound, 2>(
        Mistakes {
            settles_at_once: true,
            ..Mistakes::default()
        },
        &[FLOW],
        nothing,
        [
            |cpu| cpu.client_sends(0, SYN, SOON),
            |cpu| {
                cpu.leave(0);
                cpu.settle();
            },
        ],
    );
}

/// The destination is deleted while the periodic work waits, for packets before that.
#[test]
#[should_panic(expected = "a connection of a forgotten destination is left")]
fn changes_that_are_settled_by_a_grace_period_before_them() {
    race::<Sound, 3>(
        Mistakes {
            settles_too_many: true,
            ..Mistakes::default()
        },
        &[FLOW],
        nothing,
        [
            |cpu| cpu.client_sends(0, SYN, SOON),
            |cpu| cpu.leave(0),
            |cpu| cpu.settle(),
        ],
    );
}

/// The inserter of a refused flow and the remover both take its reply link for theirs.
#[test]
#[should_panic(expected = "a flow is freed twice")]
fn removals_that_begin_at_the_reply_key() {
    race::<Sound, 2>(
        Mistakes {
            removes_reply_first: true,
            ..Mistakes::default()
        },
        &[FLOW, OTHER_DESTINATION],
        |cpu| cpu.client_sends(0, SYN, SOON),
        [|cpu| cpu.insert_blindly(1), |cpu| cpu.remove_found(2)],
    );
}

/// The flow is removed between its two links; the second goes into the table afterwards.
#[test]
#[should_panic(expected = "a flow has half its links")]
fn insertions_that_begin_at_the_inbound_key() {
    race::<Sound, 2>(
        Mistakes {
            inserts_inbound_first: true,
            ..Mistakes::default()
        },
        &[FLOW],
        nothing,
        [
            |cpu| cpu.client_sends(0, SYN, SOON),
            |cpu| cpu.remove_found(0),
        ],
    );
}

/// A lookup between the two steps finds the key in neither table.
#[test]
#[should_panic(expected = "a flow of the table is not found")]
fn resizes_that_unlink_first() {
    race::<Sound, 2>(
        Mistakes {
            moves_unlink_first: true,
            ..Mistakes::default()
        },
        &[FLOW],
        |cpu| cpu.client_sends(0, SYN, SOON),
        [|cpu| cpu.must_find(0), |cpu| cpu.resize()],
    );
}
