// SPDX-License-Identifier: GPL-2.0

//! Netlink attributes with the types that the specification gives them.
//!
//! An [`Attr<K>`] is an attribute's number together with its type `K`, so that
//! writing a value of another type does not compile. The constants are in
//! [`crate::spec`], generated from the specification.

use std::marker::PhantomData;

use netlink_packet_core::{
    parse_u16, parse_u16_be, parse_u32, parse_u64, DefaultNla, Emitable, NlaBuffer, NlasIterator,
    NLA_ALIGNTO, NLA_F_NESTED, NLA_HEADER_SIZE,
};

use crate::malformed::Malformed;

/// An attribute type: how a value is laid out in the payload.
pub trait Kind {
    /// The value as a program handles it.
    type Value<'a>;
    /// `true` if the payload consists of attributes.
    const NESTED: bool = false;
    /// Appends the payload for a value.
    fn encode(value: Self::Value<'_>, payload: &mut Vec<u8>);
    /// Reads the value of a payload; returns `None` if it does not fit the type.
    fn decode(payload: &[u8]) -> Option<Self::Value<'_>>;
}

/// Defines the attribute types that are one number of fixed size.
macro_rules! number_kind {
    ($(#[$doc:meta])* $name:ident, $value:ty, $to_bytes:ident, $parse:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub enum $name {}

        impl Kind for $name {
            type Value<'a> = $value;
            fn encode(value: $value, payload: &mut Vec<u8>) {
                payload.extend_from_slice(&value.$to_bytes());
            }
            fn decode(payload: &[u8]) -> Option<$value> {
                $parse(payload).ok()
            }
        }
    };
}

number_kind!(
    /// `u8`
    U8, u8, to_ne_bytes, netlink_packet_core::parse_u8
);
number_kind!(
    /// `u16` in the host's byte order
    U16, u16, to_ne_bytes, parse_u16
);
number_kind!(
    /// `u16` in network byte order; the value is in the host's
    U16Be, u16, to_be_bytes, parse_u16_be
);
number_kind!(
    /// `u32` in the host's byte order
    U32, u32, to_ne_bytes, parse_u32
);

/// `uint`: a number of 4 or 8 bytes in the host's byte order, 4 if it fits.
#[derive(Debug, Clone, Copy)]
pub enum Uint {}

impl Kind for Uint {
    type Value<'a> = u64;
    fn encode(value: u64, payload: &mut Vec<u8>) {
        match u32::try_from(value) {
            Ok(short) => payload.extend_from_slice(&short.to_ne_bytes()),
            Err(_) => payload.extend_from_slice(&value.to_ne_bytes()),
        }
    }
    fn decode(payload: &[u8]) -> Option<u64> {
        parse_u32(payload)
            .map(u64::from)
            .or_else(|_| parse_u64(payload))
            .ok()
    }
}

/// `string`: on the wire with a terminating zero byte.
#[derive(Debug, Clone, Copy)]
pub enum Text {}

impl Kind for Text {
    type Value<'a> = &'a str;
    fn encode(value: &str, payload: &mut Vec<u8>) {
        payload.extend_from_slice(value.as_bytes());
        payload.push(0);
    }
    fn decode(payload: &[u8]) -> Option<&str> {
        let text = payload.split(|byte| *byte == 0).next()?;
        std::str::from_utf8(text).ok()
    }
}

/// `binary`
#[derive(Debug, Clone, Copy)]
pub enum Binary {}

impl Kind for Binary {
    type Value<'a> = &'a [u8];
    fn encode(value: &[u8], payload: &mut Vec<u8>) {
        payload.extend_from_slice(value);
    }
    fn decode(payload: &[u8]) -> Option<&[u8]> {
        Some(payload)
    }
}

/// `flag`: `true` if the attribute is present.
#[derive(Debug, Clone, Copy)]
pub enum Flag {}

impl Kind for Flag {
    type Value<'a> = ();
    fn encode((): (), _payload: &mut Vec<u8>) {}
    fn decode(_payload: &[u8]) -> Option<()> {
        Some(())
    }
}

/// `nest`: a payload of attributes.
#[derive(Debug, Clone, Copy)]
pub enum Nest {}

impl Kind for Nest {
    type Value<'a> = Attributes<'a>;
    const NESTED: bool = true;
    fn encode(value: Attributes<'_>, payload: &mut Vec<u8>) {
        payload.extend_from_slice(value.0);
    }
    fn decode(payload: &[u8]) -> Option<Attributes<'_>> {
        Some(Attributes(payload))
    }
}

/// An attribute of the specification: its number and name, and `K`, its type.
#[derive(Debug)]
pub struct Attr<K> {
    number: u16,
    name: &'static str,
    kind: PhantomData<K>,
}

impl<K> Clone for Attr<K> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<K> Copy for Attr<K> {}

impl<K> Attr<K> {
    /// Makes an attribute with the given number and name.
    pub const fn new(number: u16, name: &'static str) -> Self {
        let kind = PhantomData;
        Self { number, name, kind }
    }

    /// Returns the attribute's entry in its set.
    pub const fn entry(self, nested: Option<&'static Set>) -> Entry {
        let Self { number, name, .. } = self;
        Entry {
            number,
            name,
            nested,
        }
    }
}

/// A set of attributes: the numbering that applies to one level of nesting.
#[derive(Debug)]
pub struct Set {
    /// Name in the specification.
    pub name: &'static str,
    /// All attributes, in the specification's order.
    pub attributes: &'static [Entry],
}

/// The entry of an attribute in a [`Set`].
#[derive(Debug)]
pub struct Entry {
    /// Attribute number, `nla_type`.
    pub number: u16,
    /// Name in the specification.
    pub name: &'static str,
    /// The set that numbers the attributes inside this one.
    pub nested: Option<&'static Set>,
}

impl Set {
    /// Returns the entry of the attribute with the given number.
    pub fn entry(&self, number: u16) -> Option<&'static Entry> {
        self.attributes.iter().find(|entry| entry.number == number)
    }
}

/// Attributes being written.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Builder(Vec<u8>);

impl Builder {
    /// Appends an attribute.
    pub fn put<K: Kind>(&mut self, attr: Attr<K>, value: K::Value<'_>) -> &mut Self {
        let mut payload = Vec::new();
        K::encode(value, &mut payload);
        let nested = if K::NESTED { NLA_F_NESTED } else { 0 };
        let attribute = DefaultNla::new(attr.number | nested, payload);
        let start = self.0.len();
        self.0.resize(start + attribute.buffer_len(), 0);
        attribute.emit(&mut self.0[start..]);
        self
    }

    /// Appends an attribute if there is a value for it.
    pub fn put_some<K: Kind>(&mut self, attr: Attr<K>, value: Option<K::Value<'_>>) -> &mut Self {
        match value {
            Some(value) => self.put(attr, value),
            None => self,
        }
    }

    /// Returns the attributes that were written so far.
    pub fn attributes(&self) -> Attributes<'_> {
        Attributes(&self.0)
    }

    /// Returns the written bytes.
    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }
}

/// Attributes to be read: the payload of a message or of a nest.
#[derive(Debug, Clone, Copy)]
pub struct Attributes<'a>(&'a [u8]);

impl<'a> Attributes<'a> {
    /// Takes `bytes` for attributes, which are checked when they are read.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns the value of an attribute, or `None` if it is absent. Other attributes, such as
    /// those of a newer kernel, are skipped.
    ///
    /// # Errors
    ///
    /// [`Malformed::Form`] if the value does not fit the type; [`Malformed::Bytes`] if the bytes
    /// before it are no attributes.
    pub fn get<K: Kind>(self, attr: Attr<K>) -> Result<Option<K::Value<'a>>, Malformed> {
        for (_, attribute) in self.iter() {
            let (number, payload) = attribute?;
            if number == attr.number {
                let value = K::decode(payload);
                return value.map(Some).ok_or(Malformed::Form(attr.name));
            }
        }
        Ok(None)
    }

    /// Returns the value of an attribute that must be present.
    ///
    /// # Errors
    ///
    /// [`Malformed::Missing`] if it is absent; those of [`Attributes::get`].
    pub fn require<K: Kind>(self, attr: Attr<K>) -> Result<K::Value<'a>, Malformed> {
        self.get(attr)?.ok_or(Malformed::Missing(attr.name))
    }

    /// Returns the path of numbers to the attribute whose header starts `offset` bytes into these
    /// attributes, outermost first.
    pub(crate) fn find(self, offset: usize) -> Option<Vec<u16>> {
        for (start, attribute) in self.iter() {
            let (number, payload) = attribute.ok()?;
            if start == offset {
                return Some(vec![number]);
            }
            let inside = start + NLA_HEADER_SIZE..start + NLA_HEADER_SIZE + payload.len();
            if inside.contains(&offset) {
                let mut path = Attributes(payload).find(offset - inside.start)?;
                path.insert(0, number);
                return Some(path);
            }
        }
        None
    }

    /// Iterates over each attribute's offset in bytes, number and payload.
    fn iter(self) -> impl Iterator<Item = (usize, Result<(u16, &'a [u8]), Malformed>)> {
        let mut offset = 0;
        NlasIterator::new(self.0).map(move |attribute| {
            let start = offset;
            let read = attribute
                .map(|attribute: NlaBuffer<&'a [u8]>| {
                    let end = usize::from(attribute.length());
                    offset += end.next_multiple_of(NLA_ALIGNTO);
                    (
                        attribute.kind(),
                        &attribute.into_inner()[NLA_HEADER_SIZE..end],
                    )
                })
                .map_err(|error| Malformed::Bytes(error.to_string()));
            (start, read)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Attr<U8> = Attr::new(1, "small");
    const PORT: Attr<U16Be> = Attr::new(2, "port");
    const NAME: Attr<Text> = Attr::new(3, "name");
    const TOTAL: Attr<Uint> = Attr::new(4, "total");
    const INNER: Attr<Nest> = Attr::new(5, "inner");
    const SET: Attr<Flag> = Attr::new(6, "set");

    #[test]
    fn layout_is_that_of_the_wire() {
        let mut builder = Builder::default();
        builder.put(SMALL, 7).put(PORT, 80).put(NAME, "wlc");
        let length = |bytes: u16| bytes.to_ne_bytes();
        let mut expected = Vec::new();
        expected.extend([length(5), length(1)].concat());
        expected.extend([7, 0, 0, 0]);
        expected.extend([length(6), length(2)].concat());
        expected.extend([0, 80, 0, 0]);
        expected.extend([length(8), length(3)].concat());
        expected.extend(*b"wlc\0");
        assert_eq!(builder.into_bytes(), expected);
    }

    #[test]
    fn values_come_back() {
        let mut inner = Builder::default();
        inner.put(PORT, 0x1234);
        let mut builder = Builder::default();
        builder
            .put(TOTAL, 1 << 40)
            .put(INNER, inner.attributes())
            .put(SET, ());
        let attributes = builder.attributes();
        assert_eq!(attributes.require(TOTAL).unwrap(), 1 << 40);
        let nested = attributes.require(INNER).unwrap();
        assert_eq!(nested.require(PORT).unwrap(), 0x1234);
        assert!(attributes.get(SET).unwrap().is_some());
        assert!(attributes.get(SMALL).unwrap().is_none());
        assert!(attributes.require(SMALL).is_err());
    }

    #[test]
    fn short_and_long_numbers_are_both_read() {
        let mut builder = Builder::default();
        builder.put(TOTAL, 9);
        assert_eq!(builder.attributes().require(TOTAL).unwrap(), 9);
        assert_eq!(builder.clone().into_bytes().len(), 8);
        builder = Builder::default();
        builder.put(TOTAL, u64::MAX);
        assert_eq!(builder.attributes().require(TOTAL).unwrap(), u64::MAX);
    }

    #[test]
    fn wrong_forms_are_errors() {
        let mut builder = Builder::default();
        builder.put(Attr::<Binary>::new(2, "port"), &[1, 2, 3]);
        assert!(builder.attributes().get(PORT).is_err());
        let bytes = builder.into_bytes();
        assert!(Attributes::new(&bytes[..6]).get(SMALL).is_err());
    }

    #[test]
    fn offsets_lead_to_attributes() {
        let mut inner = Builder::default();
        inner.put(SMALL, 1).put(PORT, 2);
        let mut builder = Builder::default();
        builder
            .put(NAME, "x")
            .put(INNER, inner.attributes())
            .put(SMALL, 1);
        let attributes = builder.attributes();
        assert_eq!(attributes.find(0), Some(vec![3]));
        assert_eq!(attributes.find(8), Some(vec![5]));
        assert_eq!(attributes.find(12), Some(vec![5, 1]));
        assert_eq!(attributes.find(20), Some(vec![5, 2]));
        assert_eq!(attributes.find(28), Some(vec![1]));
        assert_eq!(attributes.find(30), None);
        assert_eq!(attributes.find(100), None);
    }
}
