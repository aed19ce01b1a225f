// SPDX-License-Identifier: GPL-2.0

//! The controller family of generic netlink, `nlctrl`, as far as it resolves names.

use crate::attribute::{Attr, Nest, Set, Text, U16, U32};
use crate::request::Command;

/// `GENL_ID_CTRL`: the message type of the family.
pub(crate) const ID: u16 = 16;
/// Name of the family.
pub(crate) const NAME: &str = "nlctrl";
/// Name of the multicast group that reports families that come and go.
pub(crate) const GROUP_NOTIFY: &str = "notify";
/// `CTRL_CMD_DELFAMILY`
pub(crate) const DELETE_FAMILY: u8 = 2;
/// `CTRL_CMD_GETFAMILY`
pub(crate) static GET_FAMILY: Command = Command {
    number: 3,
    attributes: &SET,
};
/// `CTRL_ATTR_FAMILY_ID`
pub(crate) const FAMILY_ID: Attr<U16> = Attr::new(1, "family-id");
/// `CTRL_ATTR_FAMILY_NAME`
pub(crate) const FAMILY_NAME: Attr<Text> = Attr::new(2, "family-name");
/// `CTRL_ATTR_MCAST_GROUPS`: a list, whose attributes are numbered from 1.
pub(crate) const GROUPS: Attr<Nest> = Attr::new(7, "mcast-groups");
/// `CTRL_ATTR_MCAST_GRP_NAME`, in a group.
pub(crate) const GROUP_NAME: Attr<Text> = Attr::new(1, "name");
/// `CTRL_ATTR_MCAST_GRP_ID`, in a group.
pub(crate) const GROUP_ID: Attr<U32> = Attr::new(2, "id");

static SET: Set = Set {
    name: "ctrl",
    attributes: &[FAMILY_ID.entry(None), FAMILY_NAME.entry(None)],
};
