// SPDX-License-Identifier: GPL-2.0

//! Mistakes in documents.

use std::fmt;

/// What is wrong with a document, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Line, from 1.
    pub line: usize,
    /// Column of the word at fault in characters, from 1; of the end of the line if a word is
    /// missing.
    pub column: usize,
    /// What is wrong.
    pub text: String,
}

impl std::error::Error for Mistake {}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.text)
    }
}
