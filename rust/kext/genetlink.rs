// SPDX-License-Identifier: GPL-2.0

//! The generic netlink families: requests, refusals, replies and dumps.
//!
//! There are two: the module's own, whose table of operations is generated from
//! `Documentation/netlink/specs/rlvs.yaml`, and that of ip_vs, whose is in `helpers/ipvs.c`. The
//! tables have the attributes' policies and each command's permissions; handlers see requests that
//! passed them.
//!
//! C headers: [`include/net/genetlink.h`](srctree/include/net/genetlink.h),
//! [`include/linux/netlink.h`](srctree/include/linux/netlink.h)
//!
//! Upstream: "rust: netlink: add raw netlink abstraction"; not merged, multicast only.

use crate::{
    bindings,
    memory::KEPT,
    net::Net,
    netns::{self, Handle, Namespace},
};
use core::marker::PhantomData;
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    ffi::{c_int, c_void},
    prelude::*,
    sync::Arc,
    task::might_sleep,
};

/// Which family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// The module's own.
    Rlvs,
    /// That of ip_vs, which answers while [`IpvsName`] lives.
    Ipvs,
}

/// A family: who answers its requests.
pub trait Family: 'static {
    /// Which one.
    const NAME: Name;

    /// The state of a namespace, which requests are about.
    type State: Namespace;

    /// What a dump keeps from one message to the next.
    type Dump: Default + Send;

    /// Carries out a request that is not a dump.
    ///
    /// # Context
    ///
    /// Process context; may sleep. Several may run at once, also for one namespace.
    fn request<'a>(ns: &Handle<'_, Self::State>, request: &Request<'a>) -> Result<(), Refusal<'a>>;

    /// Fills `out` with the next records of a dump; true when there are no more.
    ///
    /// # Context
    ///
    /// As [`request`](Self::request).
    fn dump<'a>(
        ns: &Handle<'_, Self::State>,
        dump: &mut Self::Dump,
        out: &mut DumpMessage<'a>,
    ) -> Result<bool, Refusal<'a>>;
}

/// Where the fault of a refused request lies.
enum Cause<'a> {
    Request,
    Attribute(Attribute<'a>),
    Missing(u16),
}

/// Why a request was refused: an errno, a text that tells the user what to change, and the
/// attribute it is about.
pub struct Refusal<'a> {
    error: Error,
    text: Option<&'static CStr>,
    cause: Cause<'a>,
}

impl<'a> Refusal<'a> {
    /// A refusal with a text.
    pub fn new(error: Error, text: &'static CStr) -> Self {
        Self {
            error,
            text: Some(text),
            cause: Cause::Request,
        }
    }

    /// A refusal because the attribute of type `attribute` is missing.
    pub fn missing(attribute: u16, text: &'static CStr) -> Self {
        Self {
            error: EINVAL,
            text: Some(text),
            cause: Cause::Missing(attribute),
        }
    }

    /// The errno.
    pub fn error(&self) -> Error {
        self.error
    }

    /// The text, if there is one.
    pub fn text(&self) -> Option<&'static CStr> {
        self.text
    }

    /// The same refusal, pointing to the attribute that is at fault, when the request has it.
    pub fn about(mut self, attribute: Option<Attribute<'a>>) -> Self {
        if let Some(attribute) = attribute {
            self.cause = Cause::Attribute(attribute);
        }
        self
    }

    /// Writes the extended acknowledgement; the errno.
    ///
    /// # Safety
    ///
    /// `extack` must be null or valid.
    unsafe fn report(self, extack: *mut kernel::bindings::netlink_ext_ack) -> c_int {
        if !extack.is_null() {
            if let Some(text) = self.text {
                // SAFETY: The caller promises that `extack` is valid; the text is static.
                unsafe { (*extack)._msg = text.as_char_ptr() };
            }
            match self.cause {
                Cause::Request => {}
                Cause::Attribute(attribute) => {
                    // SAFETY: `extack` is valid; the attribute is in the request, which the
                    // acknowledgement is about.
                    unsafe { (*extack).bad_attr = attribute.raw.as_ptr() };
                }
                // SAFETY: `extack` is valid.
                Cause::Missing(id) => unsafe { bindings::rlvs_extack_miss(extack, id) },
            }
        }
        self.error.to_errno()
    }
}

impl From<Error> for Refusal<'_> {
    fn from(error: Error) -> Self {
        Self {
            error,
            text: None,
            cause: Cause::Request,
        }
    }
}

impl From<kernel::alloc::AllocError> for Refusal<'_> {
    fn from(_: kernel::alloc::AllocError) -> Self {
        ENOMEM.into()
    }
}

/// An attribute of a request.
///
/// # Invariants
///
/// `raw` is an attribute whose length was checked against its message, valid during `'a`.
#[derive(Clone, Copy)]
pub struct Attribute<'a> {
    raw: NonNull<kernel::bindings::nlattr>,
    message: PhantomData<&'a kernel::bindings::nlattr>,
}

impl<'a> Attribute<'a> {
    /// # Safety
    ///
    /// `raw` must be null or satisfy the type's invariant.
    unsafe fn from_raw(raw: *mut kernel::bindings::nlattr) -> Option<Self> {
        // INVARIANT: The caller promises it.
        NonNull::new(raw).map(|raw| Self {
            raw,
            message: PhantomData,
        })
    }

    /// The attribute's bytes.
    pub fn payload(self) -> &'a [u8] {
        const HEADER: usize = core::mem::size_of::<kernel::bindings::nlattr>();
        // SAFETY: By the type's invariant the attribute is valid.
        let length = usize::from(unsafe { (*self.raw.as_ptr()).nla_len });
        // SAFETY: The payload follows the header inside the message.
        let data = unsafe { self.raw.as_ptr().cast::<u8>().add(HEADER) };
        // SAFETY: The length was checked against the message and counts the header too.
        unsafe { core::slice::from_raw_parts(data, length.saturating_sub(HEADER)) }
    }

    /// The value, when the attribute has exactly one byte.
    pub fn u8(self) -> Option<u8> {
        self.payload().try_into().ok().map(u8::from_ne_bytes)
    }

    /// The value of a 16-bit number in network byte order.
    pub fn u16_be(self) -> Option<u16> {
        self.payload().try_into().ok().map(u16::from_be_bytes)
    }

    /// The value of a 32-bit number in host byte order.
    pub fn u32(self) -> Option<u32> {
        self.payload().try_into().ok().map(u32::from_ne_bytes)
    }

    /// The bytes of a string, without what ends it.
    pub fn string(self) -> &'a [u8] {
        let bytes = self.payload();
        bytes.split(|byte| *byte == 0).next().unwrap_or(bytes)
    }
}

/// What attributes that are nested in another one are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nest {
    /// A service that a destination of the module's own family names.
    Service,
    /// A service of ip_vs's family.
    IpvsService,
    /// A destination of that.
    IpvsDestination,
    /// A synchronisation daemon of that.
    IpvsDaemon,
}

impl Nest {
    fn number(self) -> bindings::rlvs_nest {
        match self {
            Self::Service => bindings::rlvs_nest_RLVS_NEST_SERVICE,
            Self::IpvsService => bindings::rlvs_nest_RLVS_NEST_IPVS_SERVICE,
            Self::IpvsDestination => bindings::rlvs_nest_RLVS_NEST_IPVS_DEST,
            Self::IpvsDaemon => bindings::rlvs_nest_RLVS_NEST_IPVS_DAEMON,
        }
    }
}

/// Attributes that are nested in another one.
pub struct Attributes<'a> {
    table: [*mut kernel::bindings::nlattr; NESTED],
    message: PhantomData<&'a kernel::bindings::nlattr>,
}

/// One more than the highest type of a nested attribute.
const NESTED: usize = bindings::RLVS_NESTED as usize;

impl<'a> Attributes<'a> {
    /// Reads the attributes inside of another one.
    ///
    /// # Safety
    ///
    /// `extack` must be null or valid.
    unsafe fn parse(
        around: Attribute<'a>,
        nest: Nest,
        extack: *mut kernel::bindings::netlink_ext_ack,
    ) -> Result<Self, Refusal<'a>> {
        let mut table = [core::ptr::null_mut(); NESTED];
        // SAFETY: `around` is a valid attribute, `table` has room for as many pointers as the
        // function writes at most, and the caller promises `extack`.
        to_result(unsafe {
            bindings::rlvs_genl_parse(
                around.raw.as_ptr(),
                nest.number(),
                table.as_mut_ptr(),
                extack,
            )
        })?;
        Ok(Self {
            table,
            message: PhantomData,
        })
    }

    /// The attribute `id`, if it is there.
    pub fn get(&self, id: u16) -> Option<Attribute<'a>> {
        let raw = self.table.get(usize::from(id)).copied()?;
        // SAFETY: The parser checked what it put there, inside the message.
        unsafe { Attribute::from_raw(raw) }
    }
}

/// A request that is not a dump.
///
/// # Invariants
///
/// `info` is valid during `'a`.
pub struct Request<'a> {
    info: NonNull<bindings::genl_info>,
    command: u8,
    message: PhantomData<&'a bindings::genl_info>,
}

impl<'a> Request<'a> {
    /// The command's number.
    pub fn command(&self) -> u8 {
        self.command
    }

    /// The attribute `id`, if the request has it.
    pub fn get(&self, id: u16) -> Option<Attribute<'a>> {
        // SAFETY: By the type's invariant `info` is valid, and its attributes passed the policy.
        unsafe { Attribute::from_raw(bindings::rlvs_genl_attr(self.info.as_ptr(), id)) }
    }

    /// The attributes nested in the attribute `id`, if the request has it.
    pub fn nested(&self, id: u16, nest: Nest) -> Result<Option<Attributes<'a>>, Refusal<'a>> {
        self.get(id)
            // SAFETY: The acknowledgement of `info` is null or valid.
            .map(|around| unsafe { Attributes::parse(around, nest, self.extack()) })
            .transpose()
    }

    fn extack(&self) -> *mut kernel::bindings::netlink_ext_ack {
        // SAFETY: By the type's invariant `info` is valid.
        unsafe { bindings::rlvs_genl_extack(self.info.as_ptr()) }
    }

    /// Has the acknowledgement of a request that is carried out say what its sender should know of
    /// it. A refusal's own text goes first.
    pub fn warn(&self, text: &'static CStr) {
        let extack = self.extack();
        if !extack.is_null() {
            // SAFETY: The acknowledgement of `info` is valid if it is not null; the text is static.
            unsafe { (*extack)._msg = text.as_char_ptr() };
        }
    }

    /// Sends a reply with what `fill` writes. May sleep.
    pub fn reply(&self, fill: impl FnOnce(&mut Writer<'_>) -> Result) -> Result {
        self.reply_as(self.command, fill)
    }

    /// The same, as another command than the request's.
    pub fn reply_as(&self, command: u8, fill: impl FnOnce(&mut Writer<'_>) -> Result) -> Result {
        might_sleep();
        // SAFETY: An FFI call that may sleep, which this function's context allows.
        let skb = NonNull::new(unsafe { bindings::rlvs_genl_message_new() }).ok_or(ENOMEM)?;
        // SAFETY: `skb` is a new message and `info` valid.
        let header =
            unsafe { bindings::rlvs_genl_put_reply(skb.as_ptr(), self.info.as_ptr(), command) };
        let filled = if header.is_null() {
            Err(EMSGSIZE)
        } else {
            // SAFETY: The message is new and ours, with a header in it, and is not used until `fill`
            // has returned.
            fill(&mut unsafe { Writer::new(skb) })
        };
        match filled {
            Ok(()) => {
                // SAFETY: `header` was put into `skb`.
                unsafe { bindings::rlvs_genl_end(skb.as_ptr(), header) };
                // SAFETY: The message is finished; the function takes it.
                to_result(unsafe { bindings::rlvs_genl_reply(skb.as_ptr(), self.info.as_ptr()) })
            }
            Err(error) => {
                // SAFETY: The message is ours and was not sent.
                unsafe { bindings::rlvs_genl_message_free(skb.as_ptr()) };
                Err(error)
            }
        }
    }
}

/// The message that a dump fills at present.
///
/// # Invariants
///
/// `skb` and `cb` are valid during `'a`.
pub struct DumpMessage<'a> {
    skb: NonNull<bindings::sk_buff>,
    cb: NonNull<bindings::netlink_callback>,
    command: u8,
    records: usize,
    message: PhantomData<&'a bindings::netlink_callback>,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record {
    /// It is in the message.
    Written,
    /// The message is full; the record has to be written again into the next one.
    Full,
}

impl<'a> DumpMessage<'a> {
    /// The command's number.
    pub fn command(&self) -> u8 {
        self.command
    }

    /// The attributes nested in the attribute `id`, if the request has it.
    pub fn nested(&self, id: u16, nest: Nest) -> Result<Option<Attributes<'a>>, Refusal<'a>> {
        // SAFETY: By the type's invariant `cb` is valid; its attributes passed the policy.
        let around =
            unsafe { Attribute::from_raw(bindings::rlvs_genl_dump_attr(self.cb.as_ptr(), id)) };
        around
            // SAFETY: The acknowledgement of `cb` is null or valid.
            .map(|around| unsafe { Attributes::parse(around, nest, self.extack()) })
            .transpose()
    }

    fn extack(&self) -> *mut kernel::bindings::netlink_ext_ack {
        // SAFETY: By the type's invariant `cb` is valid.
        unsafe { bindings::rlvs_genl_dump_extack(self.cb.as_ptr()) }
    }

    /// Tells the generation of what is dumped, anew for each message: the reader is told when it
    /// changes in the course of a dump. Not 0.
    pub fn generation(&mut self, generation: u32) {
        // SAFETY: By the type's invariant `cb` is valid.
        unsafe { bindings::rlvs_genl_dump_generation(self.cb.as_ptr(), generation) };
    }

    /// Appends one record, or nothing of it. Does not sleep.
    pub fn record(&mut self, fill: impl FnOnce(&mut Writer<'_>) -> Result) -> Result<Record> {
        self.record_as(self.command, fill)
    }

    /// The same, as another command than the request's.
    pub fn record_as(
        &mut self,
        command: u8,
        fill: impl FnOnce(&mut Writer<'_>) -> Result,
    ) -> Result<Record> {
        let (skb, cb) = (self.skb.as_ptr(), self.cb.as_ptr());
        // SAFETY: By the type's invariant `skb` and `cb` are valid.
        let header = unsafe { bindings::rlvs_genl_put_dump(skb, cb, command) };
        let filled = if header.is_null() {
            Err(EMSGSIZE)
        } else {
            // SAFETY: By the type's invariant `skb` is valid; a header was put into it, and it is
            // not used until `fill` has returned.
            fill(&mut unsafe { Writer::new(self.skb) })
        };
        match filled {
            Ok(()) => {
                // SAFETY: `header` was put into `skb`.
                unsafe { bindings::rlvs_genl_end(self.skb.as_ptr(), header) };
                self.records = self.records.saturating_add(1);
                Ok(Record::Written)
            }
            Err(error) => {
                if !header.is_null() {
                    // SAFETY: `header` was put into `skb` and not finished.
                    unsafe { bindings::rlvs_genl_cancel(self.skb.as_ptr(), header) };
                }
                // A record that does not fit an empty message never will.
                if error == EMSGSIZE && self.records > 0 {
                    Ok(Record::Full)
                } else {
                    Err(error)
                }
            }
        }
    }

    /// Appends one record for each of the items that were not written yet, as far as they fit; true
    /// when that was the rest. Does not sleep.
    pub fn records_as<T>(
        &mut self,
        command: u8,
        written: &mut usize,
        items: impl IntoIterator<Item = T>,
        fill: impl Fn(&mut Writer<'_>, T) -> Result,
    ) -> Result<bool> {
        for item in items.into_iter().skip(*written) {
            match self.record_as(command, |out| fill(out, item))? {
                Record::Written => *written = written.saturating_add(1),
                Record::Full => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Writes attributes into a message; `EMSGSIZE` when it is full.
///
/// # Invariants
///
/// `skb` is a message that is being written, and that nothing else uses during `'a`.
pub struct Writer<'a> {
    skb: NonNull<bindings::sk_buff>,
    message: PhantomData<&'a mut bindings::sk_buff>,
}

impl Writer<'_> {
    /// # Safety
    ///
    /// `skb` must satisfy the type's invariant for the lifetime that the caller chooses.
    unsafe fn new(skb: NonNull<bindings::sk_buff>) -> Self {
        // INVARIANT: The caller promises it.
        Self {
            skb,
            message: PhantomData,
        }
    }

    /// Writes an attribute of any bytes.
    pub fn bytes(&mut self, id: u16, value: &[u8]) -> Result {
        let length = c_int::try_from(value.len())?;
        // SAFETY: `skb` is a message that is being written; `value` is readable for `length` bytes.
        to_result(unsafe {
            bindings::nla_put(
                self.skb.as_ptr(),
                c_int::from(id),
                length,
                value.as_ptr().cast(),
            )
        })
    }

    /// Writes a byte.
    pub fn u8(&mut self, id: u16, value: u8) -> Result {
        self.bytes(id, &[value])
    }

    /// Writes a 16-bit number in host byte order.
    pub fn u16(&mut self, id: u16, value: u16) -> Result {
        self.bytes(id, &value.to_ne_bytes())
    }

    /// Writes a 16-bit number in network byte order.
    pub fn u16_be(&mut self, id: u16, value: u16) -> Result {
        self.bytes(id, &value.to_be_bytes())
    }

    /// Writes a 32-bit number in host byte order.
    pub fn u32(&mut self, id: u16, value: u32) -> Result {
        self.bytes(id, &value.to_ne_bytes())
    }

    /// Writes a number in as many bytes, 4 or 8, as it needs (`uint` in the specification).
    pub fn uint(&mut self, id: u16, value: u64) -> Result {
        // SAFETY: `skb` is a message that is being written.
        to_result(unsafe { bindings::rlvs_nla_put_uint(self.skb.as_ptr(), id, value) })
    }

    /// Writes a 64-bit number in host byte order, aligned where the architecture needs it: by an
    /// attribute of type `pad`, which means nothing.
    pub fn u64(&mut self, id: u16, value: u64, pad: u16) -> Result {
        // SAFETY: `skb` is a message that is being written.
        to_result(unsafe { bindings::rlvs_nla_put_u64(self.skb.as_ptr(), id, value, pad) })
    }

    /// Writes an attribute that says something by being there.
    pub fn flag(&mut self, id: u16) -> Result {
        self.bytes(id, &[])
    }

    /// Writes a string, with the zero byte that ends it.
    pub fn string(&mut self, id: u16, value: &CStr) -> Result {
        self.bytes(id, value.to_bytes_with_nul())
    }

    /// Writes an attribute that has those inside that `fill` writes.
    pub fn nest(&mut self, id: u16, fill: impl FnOnce(&mut Self) -> Result) -> Result {
        self.nest_marked(id, true, fill)
    }

    /// The same without the mark that there are others inside, which families that are older than
    /// the mark do not set.
    pub fn nest_unmarked(&mut self, id: u16, fill: impl FnOnce(&mut Self) -> Result) -> Result {
        self.nest_marked(id, false, fill)
    }

    fn nest_marked(
        &mut self,
        id: u16,
        marked: bool,
        fill: impl FnOnce(&mut Self) -> Result,
    ) -> Result {
        // SAFETY: `skb` is a message that is being written.
        let nest = unsafe { bindings::rlvs_nla_nest_start(self.skb.as_ptr(), id, marked) };
        if nest.is_null() {
            return Err(EMSGSIZE);
        }
        // When it fails the whole message is cancelled, and the nest with it.
        fill(self)?;
        // SAFETY: `nest` was started in `skb`, and what was started inside it has ended.
        unsafe { bindings::rlvs_nla_nest_end(self.skb.as_ptr(), nest) };
        Ok(())
    }
}

/// How often somebody has joined the family's multicast group, in any namespace; wraps at 2^32. It
/// is counted a moment before the group's messages reach the one who joins. Any context.
pub fn join_count() -> u32 {
    // SAFETY: An FFI call with no preconditions.
    unsafe { bindings::rlvs_genl_join_count() }
}

/// Whether anybody in the namespace has joined the family's multicast group; nobody has while the
/// family is not registered.
///
/// # Context
///
/// Process context; may sleep.
pub fn has_listeners(net: &Net) -> bool {
    might_sleep();
    // SAFETY: The namespace is alive, and this function's context allows to sleep.
    unsafe { bindings::rlvs_genl_has_listeners(net.as_ptr()) }
}

/// Sends a message to all in the namespace who have joined the family's multicast group: the
/// attributes that `fill` writes, in `room` bytes at most.
///
/// # Errors
///
/// `ESRCH` when nobody has joined, `ENOBUFS` when somebody's buffer is full, and `ENOMEM`: those
/// who have not got it are told so. `ENODEV` when the family is not registered, `EMSGSIZE` when
/// there is not enough room.
///
/// # Context
///
/// Process context; may sleep.
pub fn multicast(
    net: &Net,
    command: u8,
    room: u32,
    fill: impl FnOnce(&mut Writer<'_>) -> Result,
) -> Result {
    might_sleep();
    // SAFETY: An FFI call that may sleep, which this function's context allows.
    let Some(skb) = NonNull::new(unsafe { bindings::rlvs_genl_notice_new(room) }) else {
        // SAFETY: The namespace is alive, and this function's context allows to sleep.
        unsafe { bindings::rlvs_genl_lost(net.as_ptr()) };
        return Err(ENOMEM);
    };
    // SAFETY: `skb` is a new message.
    let header = unsafe { bindings::rlvs_genl_put_notice(skb.as_ptr(), command) };
    let filled = if header.is_null() {
        Err(EMSGSIZE)
    } else {
        // SAFETY: The message is new and ours, with a header in it, and is not used until `fill` has
        // returned.
        fill(&mut unsafe { Writer::new(skb) })
    };
    match filled {
        Ok(()) => {
            // SAFETY: `header` was put into `skb`.
            unsafe { bindings::rlvs_genl_end(skb.as_ptr(), header) };
            // SAFETY: The namespace is alive, the message is finished, and the function takes it.
            to_result(unsafe { bindings::rlvs_genl_multicast(net.as_ptr(), skb.as_ptr()) })
        }
        Err(error) => {
            // SAFETY: The message is ours and was not sent.
            unsafe { bindings::rlvs_genl_message_free(skb.as_ptr()) };
            Err(error)
        }
    }
}

/// Answers a family's requests while it lives.
pub struct Registration<F: Family> {
    // Dropped after the family is unregistered, which is in `drop`: handlers use the states.
    _states: Arc<netns::Registration<F::State>>,
}

impl<F: Family> Registration<F> {
    const OPS: &'static bindings::rlvs_genl_ops = &bindings::rlvs_genl_ops {
        doit: Some(doit::<F>),
        start: Some(start::<F>),
        dumpit: Some(dumpit::<F>),
        done: Some(done::<F>),
    };

    /// Answers from these states. May sleep.
    pub fn new(states: Arc<netns::Registration<F::State>>) -> Result<Self> {
        match F::NAME {
            // SAFETY: The callbacks are static and of the family whose states are registered.
            Name::Rlvs => to_result(unsafe { bindings::rlvs_genl_register(Self::OPS) })?,
            // SAFETY: As above.
            Name::Ipvs => to_result(unsafe { bindings::rlvs_ipvs_open(Self::OPS) })?,
        }
        Ok(Self { _states: states })
    }
}

impl<F: Family> Drop for Registration<F> {
    fn drop(&mut self) {
        match F::NAME {
            // SAFETY: The value exists because registering succeeded, and it is unregistered once.
            Name::Rlvs => unsafe { bindings::rlvs_genl_unregister() },
            // SAFETY: As above, for opening.
            Name::Ipvs => unsafe { bindings::rlvs_ipvs_close() },
        }
    }
}

/// The family of ip_vs, registered: the two modules are never loaded together. Its requests are
/// answered while there is a [`Registration`], and refused before and after.
pub struct IpvsName(());

impl IpvsName {
    /// Takes the name; `EEXIST` while ip_vs is there. May sleep.
    pub fn take() -> Result<Self> {
        // SAFETY: An FFI call that may sleep, which this function's context allows.
        to_result(unsafe { bindings::rlvs_ipvs_register() })?;
        Ok(Self(()))
    }
}

impl Drop for IpvsName {
    fn drop(&mut self) {
        // SAFETY: The value exists because registering succeeded, and it is unregistered once.
        unsafe { bindings::rlvs_ipvs_unregister() };
    }
}

/// Handles a request.
///
/// # Safety
///
/// Called by `genetlink.c` while the family is registered, with valid arguments.
unsafe extern "C" fn doit<F: Family>(
    ns: *mut bindings::rlvs_netns,
    _skb: *mut bindings::sk_buff,
    info: *mut bindings::genl_info,
    command: u8,
) -> c_int {
    let (Some(ns), Some(info)) = (NonNull::new(ns), NonNull::new(info)) else {
        return EINVAL.to_errno();
    };
    // SAFETY: The socket that asks keeps its namespace alive, and the states are registered longer
    // than the family. Requests are handled in process context.
    let ns = unsafe { Handle::<F::State>::from_raw(ns) };
    // INVARIANT: `info` is valid during the call.
    let request = Request {
        info,
        command,
        message: PhantomData,
    };
    match F::request(&ns, &request) {
        Ok(()) => 0,
        // SAFETY: The acknowledgement of `info` is null or valid.
        Err(refusal) => unsafe { refusal.report(request.extack()) },
    }
}

/// The place where `cb` keeps the dump's state.
///
/// # Safety
///
/// `cb` must be valid.
unsafe fn dump_state(cb: *mut bindings::netlink_callback) -> *mut *mut c_void {
    // SAFETY: The caller promises it.
    unsafe { bindings::rlvs_genl_dump_state(cb) }
}

/// Starts a dump.
///
/// # Safety
///
/// Called by `genetlink.c` with a valid argument, once for a dump.
unsafe extern "C" fn start<F: Family>(cb: *mut bindings::netlink_callback) -> c_int {
    match KBox::new(F::Dump::default(), KEPT) {
        Ok(state) => {
            // SAFETY: `cb` is valid and the place is free until `done`.
            unsafe { *dump_state(cb) = KBox::into_raw(state).cast() };
            0
        }
        Err(_) => ENOMEM.to_errno(),
    }
}

/// Fills one message of a dump: its length when there may be more, else 0.
///
/// # Safety
///
/// Called by `genetlink.c` between `start` and `done`, with valid arguments.
unsafe extern "C" fn dumpit<F: Family>(
    ns: *mut bindings::rlvs_netns,
    skb: *mut bindings::sk_buff,
    cb: *mut bindings::netlink_callback,
    command: u8,
) -> c_int {
    let (Some(ns), Some(skb), Some(cb)) = (NonNull::new(ns), NonNull::new(skb), NonNull::new(cb))
    else {
        return EINVAL.to_errno();
    };
    // SAFETY: As in `doit`.
    let ns = unsafe { Handle::<F::State>::from_raw(ns) };
    // SAFETY: `start` put a `F::Dump` there; netlink runs one callback of a dump at a time.
    let state = unsafe { &mut *(*dump_state(cb.as_ptr())).cast::<F::Dump>() };
    // INVARIANT: `skb` and `cb` are valid during the call.
    let mut out = DumpMessage {
        skb,
        cb,
        command,
        records: 0,
        message: PhantomData,
    };
    match F::dump(&ns, state, &mut out) {
        Ok(true) if out.records == 0 => 0,
        // Records are there: netlink calls again, and then the dump has no more.
        Ok(_) => {
            // SAFETY: `skb` is valid.
            let length = unsafe { (*skb.as_ptr()).len };
            c_int::try_from(length).unwrap_or(c_int::MAX)
        }
        // SAFETY: The acknowledgement of `cb` is null or valid.
        Err(refusal) => unsafe { refusal.report(out.extack()) },
    }
}

/// Ends a dump.
///
/// # Safety
///
/// Called by `genetlink.c` once after `start`, with a valid argument.
unsafe extern "C" fn done<F: Family>(cb: *mut bindings::netlink_callback) {
    // SAFETY: `start` put a pointer from `into_raw` there.
    drop(unsafe { KBox::from_raw((*dump_state(cb)).cast::<F::Dump>()) });
}
