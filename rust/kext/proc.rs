// SPDX-License-Identifier: GPL-2.0

//! Text files below `/proc/net`, one of each for every network namespace.
//!
//! A reader gets the text in pieces, each of which is made by one call: however much there is to
//! show, a call takes what fits into a piece, and no lock is held from one to the next.
//!
//! C headers: [`include/linux/proc_fs.h`](srctree/include/linux/proc_fs.h),
//! [`include/linux/seq_file.h`](srctree/include/linux/seq_file.h)
//!
//! Upstream: `kernel::seq_file` can only write into a file that C code has opened. Can go when
//! there are `proc_ops` and a seq_file with a state.

use crate::{
    bindings,
    memory::KEPT,
    netns::{FileSpec, Handle, Namespace},
};
use core::{fmt, marker::PhantomData, ptr::NonNull};
use kernel::{
    ffi::{c_int, c_void},
    prelude::*,
    str::as_char_ptr_in_const_context,
};

/// Bytes of a piece. Each line of a file is shorter.
const PIECE: usize = 2048;

/// A file that shows something of a namespace with a state of type `T`, as one reader has got on
/// with it.
pub trait File<T: Namespace>: Default + Send + 'static {
    /// The name below `/proc/net`.
    const NAME: &'static CStr;

    /// Only root of the namespace may read it.
    const PRIVATE: bool = false;

    /// Writes the next lines, as many as fit; none when there are no more.
    ///
    /// # Context
    ///
    /// Process context; may sleep. Between the making of the namespace's state and its end.
    fn next(&mut self, ns: &Handle<'_, T>, text: &mut Text) -> Result;
}

/// A piece of a file that is being written.
pub struct Text(KVec<u8>);

impl Text {
    fn new() -> Result<Self> {
        // Every process may open a file: the memory is charged to the reader.
        Ok(Self(KVec::with_capacity(PIECE, KEPT)?))
    }

    /// Writes a line, or lines that belong together, and returns `true`; if they do not fit, writes
    /// nothing and returns `false`.
    #[must_use = "what did not fit has to be written into the next piece"]
    pub fn fits(&mut self, line: impl fmt::Display) -> bool {
        let before = self.0.len();
        let whole = fmt::write(self, format_args!("{line}")).is_ok();
        if !whole {
            self.0.truncate(before);
        }
        whole
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        if self.0.spare_capacity_mut().len() < part.len() {
            return Err(fmt::Error);
        }
        // There is room: nothing is allocated, in whatever context this is.
        let copied = self.0.extend_from_slice(part.as_bytes(), GFP_NOWAIT);
        copied.map_err(|_| fmt::Error)
    }
}

/// An open file and how far it was read.
struct Reader<F> {
    file: F,
    text: Text,
}

impl<T: Namespace> FileSpec<T> {
    /// The file `F`.
    pub const fn of<F: File<T>>() -> Self {
        // SAFETY: The callbacks take a namespace whose state is a `T`, and what their own `open`
        // gave.
        unsafe { Self::from_raw(Callbacks::<T, F>::OPS) }
    }
}

/// What C calls for the file `F`.
struct Callbacks<T, F>(PhantomData<(T, F)>);

impl<T: Namespace, F: File<T>> Callbacks<T, F> {
    const OPS: &'static bindings::rlvs_proc_ops = &bindings::rlvs_proc_ops {
        name: as_char_ptr_in_const_context(F::NAME),
        private: F::PRIVATE,
        open: Some(open::<T, F>),
        fill: Some(fill::<T, F>),
        close: Some(close::<T, F>),
    };
}

/// Begins to read a file: what C keeps for it, or null when memory is short.
///
/// # Safety
///
/// Called by `proc.c` in process context.
unsafe extern "C" fn open<T: Namespace, F: File<T>>() -> *mut c_void {
    let Ok(text) = Text::new() else {
        return core::ptr::null_mut();
    };
    let reader = Reader {
        file: F::default(),
        text,
    };
    let reader = KBox::new(reader, KEPT);
    reader.map_or(core::ptr::null_mut(), |new| KBox::into_raw(new).cast())
}

/// Makes the next piece, or the first: its length, 0 at the end, or an errno.
///
/// # Safety
///
/// Called by `proc.c` between `open` and `close`, by one thread at a time, with a valid namespace
/// whose state is a `T`, what `open` gave, and a place for the text.
unsafe extern "C" fn fill<T: Namespace, F: File<T>>(
    ns: *mut bindings::rlvs_netns,
    cursor: *mut c_void,
    first: bool,
    text: *mut *const u8,
) -> c_int {
    let Some(ns) = NonNull::new(ns) else {
        return EINVAL.to_errno();
    };
    // SAFETY: The files are removed before the state is freed, which waits for this call. It is a
    // read(2), in process context.
    let ns = unsafe { Handle::<T>::from_raw(ns) };
    // SAFETY: `open` gave a `Reader<F>`, and one thread at a time reads a file.
    let reader = unsafe { &mut *cursor.cast::<Reader<F>>() };
    if first {
        reader.file = F::default();
    }
    reader.text.0.clear();
    if let Err(error) = reader.file.next(&ns, &mut reader.text) {
        return error.to_errno();
    }
    let written = reader.text.0.as_slice();
    // SAFETY: `text` is a place for a pointer; what it points to stays until the next call.
    unsafe { *text = written.as_ptr() };
    c_int::try_from(written.len()).unwrap_or(0)
}

/// Ends reading.
///
/// # Safety
///
/// Called by `proc.c` once, with what `open` gave.
unsafe extern "C" fn close<T: Namespace, F: File<T>>(cursor: *mut c_void) {
    // SAFETY: `open` gave a pointer from `into_raw`.
    drop(unsafe { KBox::from_raw(cursor.cast::<Reader<F>>()) });
}
