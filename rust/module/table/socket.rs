// SPDX-License-Identifier: GPL-2.0

//! What the host's TCP sockets show of a connection besides its packets.

use rlvs_core::{address::Endpoint, connection::state::Window};
use rlvs_kext::{
    net::Net,
    sock::{Device, TcpSocket},
};

use crate::family::IpFamily;

/// Returns `true` if the host has a TCP socket, not counting one in TIME_WAIT, between `local` and
/// `remote` that gets packets which come in by `device`; by any device for none.
pub(crate) fn has_socket<A: IpFamily>(
    net: &Net,
    local: &Endpoint<A>,
    remote: &Endpoint<A>,
    device: Option<Device>,
) -> bool {
    is_open(net.tcp_socket(&A::ends(local, remote), device))
}

/// Returns `true` for the socket of a connection that has not ended.
pub(crate) fn is_open(socket: TcpSocket) -> bool {
    matches!(socket, TcpSocket::Opening | TcpSocket::Live)
}

/// Returns the sequence numbers that the host's TCP socket between `local` and `remote`, one in
/// TIME_WAIT included, that gets packets which come in by `device` expects; none if there is no
/// such socket.
pub(crate) fn window<A: IpFamily>(
    net: &Net,
    local: &Endpoint<A>,
    remote: &Endpoint<A>,
    device: Device,
) -> Option<Window> {
    let found = net.tcp_window(&A::ends(local, remote), Some(device))?;
    Some(Window {
        receive_next: found.receive_next,
        receive_window: found.receive_window,
        receive_past: found.receive_past,
        send_unacknowledged: found.send_unacknowledged,
        send_next: found.send_next,
        send_past: found.send_past,
    })
}
