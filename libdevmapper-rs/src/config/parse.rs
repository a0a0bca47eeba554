//! From text to a tree, in one pass over the bytes and without copies of tokens.

use std::borrow::Cow;
use std::fmt;

use bstr::ByteSlice;

use crate::log::Raw;

use super::index::{ChildIndex, Place};
use super::number::{self, BadInt};
use super::{Builder, NoMemory, Scalar, components};

/// What to do with names that occur twice in a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates<'a> {
    /// A section is continued, a value is replaced with a warning.
    Merge,
    /// Every name makes new nodes; for text written by machines.
    Keep,
    /// As `Keep`; when a section of this name, inside exactly one other section, has ended, the rest of the outer one
    /// is skipped: reading goes on behind the last newline, `}`, newline of the text.
    KeepUntil(&'a [u8]),
}

/// Why a text could not be parsed. `Display` is the message that [`parse`] logs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseError {
    /// There is no entry at all; nothing is logged.
    Empty,
    /// The grammar is broken.
    Syntax {
        /// Offset of the offending token, from 1.
        byte: usize,
        /// Its line, from 1; newlines inside strings do not count.
        line: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// An integer that is malformed or does not fit 64 bits.
    Int,
    /// A floating point number out of range.
    Float,
    /// No memory for the tree.
    NoMemory,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("No configuration entries found."),
            Self::Syntax { byte, line, what } => write!(f, "Parse error at byte {byte} (line {line}): {what}"),
            Self::Int => f.write_str("Failed to read int token."),
            Self::Float => f.write_str("Failed to read float token."),
            Self::NoMemory => f.write_str("Failed to allocate memory for the config tree."),
        }
    }
}

impl std::error::Error for ParseError {}

impl From<NoMemory> for ParseError {
    fn from(_: NoMemory) -> Self {
        Self::NoMemory
    }
}

impl From<ParseError> for crate::Error {
    fn from(error: ParseError) -> Self {
        Self::Parse(error.to_string())
    }
}

/// Value of a `creation_time` that does not fit 64 bits (2018-05-24): old metadata may hold such a number.
const REPAIRED_CREATION_TIME: i64 = 1_527_120_000;

/// Parses `text` into the empty tree that `builder` holds; logs why it failed. After an error the tree must not be used.
pub fn parse<B: Builder>(builder: &mut B, text: &[u8], duplicates: Duplicates<'_>) -> Result<(), ParseError> {
    let mut parser = Parser {
        lexer: Lexer::new(text),
        builder,
        index: ChildIndex::new(),
        merge: duplicates == Duplicates::Merge,
        only_section: match duplicates {
            Duplicates::KeepUntil(section) => Some(section),
            _ => None,
        },
        open: Vec::new(),
        warned_creation_time: false,
    };
    let result = parser.file();
    if let Err(error) = &result
        && *error != ParseError::Empty
    {
        crate::log_error!("{error}");
    }
    result
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    ArrayBegin,
    ArrayEnd,
    Comma,
    SectionBegin,
    SectionEnd,
    Equals,
    /// `"..."`; whether there is a backslash in it.
    DoubleQuoted(bool),
    SingleQuoted,
    Int,
    Float,
    /// A bare word where a value is expected.
    Word,
    Identifier,
    End,
}

const SPACE: u8 = 1;
/// Ends an identifier or a bare word.
const WORD_END: u8 = 2;
const DIGIT: u8 = 4;

static CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut i = 0;
    while i < 6 {
        class[b" \t\n\r\x0b\x0c"[i] as usize] = SPACE | WORD_END;
        i += 1;
    }
    class[b'#' as usize] = WORD_END;
    class[b'=' as usize] = WORD_END;
    class[b'{' as usize] = WORD_END;
    class[b'}' as usize] = WORD_END;
    let mut digit = b'0';
    while digit <= b'9' {
        class[digit as usize] = DIGIT;
        digit += 1;
    }
    class
};

struct Lexer<'i> {
    full: &'i [u8],
    /// `full` up to the first NUL behind the current token.
    text: &'i [u8],
    token: Token,
    begin: usize,
    end: usize,
    line: usize,
}

impl<'i> Lexer<'i> {
    fn new(full: &'i [u8]) -> Self {
        Self {
            full,
            text: until_nul(full, 0),
            token: Token::SectionEnd,
            begin: 0,
            end: 0,
            line: 1,
        }
    }

    /// The bytes of the current token.
    fn slice(&self) -> &'i [u8] {
        &self.text[self.begin..self.end]
    }

    fn error(&self, what: &'static str) -> ParseError {
        ParseError::Syntax {
            byte: self.begin + 1,
            line: self.line,
            what,
        }
    }

    /// Skips white space and comments.
    fn skip_space(&mut self, mut at: usize) -> usize {
        let text = self.text;
        while let Some(&byte) = text.get(at) {
            if CLASS[usize::from(byte)] & SPACE != 0 {
                self.line += usize::from(byte == b'\n');
                at += 1;
            } else if byte == b'#' {
                at += text[at..]
                    .iter()
                    .position(|&byte| byte == b'\n')
                    .unwrap_or(text.len() - at);
            } else {
                break;
            }
        }
        at
    }

    /// Reads the next token.
    fn advance(&mut self) {
        let value_expected = matches!(self.token, Token::Equals | Token::ArrayBegin | Token::Comma);
        let begin = self.skip_space(self.end);
        let text = self.text;
        self.begin = begin;
        let Some(&first) = text.get(begin) else {
            self.token = Token::End;
            self.end = begin;
            return;
        };
        let mut end = begin + 1;
        self.token = match first {
            b'{' => Token::SectionBegin,
            b'}' => Token::SectionEnd,
            b'[' => Token::ArrayBegin,
            b']' => Token::ArrayEnd,
            b',' => Token::Comma,
            b'=' => Token::Equals,
            b'"' => {
                let mut escaped = false;
                loop {
                    match text.get(end) {
                        None => break,
                        Some(b'"') => {
                            end += 1;
                            break;
                        }
                        Some(b'\\') if end + 1 < text.len() => {
                            escaped = true;
                            end += 2;
                        }
                        Some(_) => end += 1,
                    }
                }
                Token::DoubleQuoted(escaped)
            }
            b'\'' => {
                end = match text[end..].iter().position(|&byte| byte == b'\'') {
                    Some(length) => end + length + 1,
                    None => text.len(),
                };
                Token::SingleQuoted
            }
            b'0'..=b'9' | b'+' | b'-' | b'.' if value_expected => {
                let mut float = first == b'.';
                while let Some(&byte) = text.get(end) {
                    if CLASS[usize::from(byte)] & DIGIT != 0 {
                        end += 1;
                    } else if byte == b'.' && !float {
                        float = true;
                        end += 1;
                    } else {
                        break;
                    }
                }
                if float { Token::Float } else { Token::Int }
            }
            _ => {
                while let Some(&byte) = text.get(end)
                    && CLASS[usize::from(byte)] & WORD_END == 0
                {
                    end += 1;
                }
                if value_expected { Token::Word } else { Token::Identifier }
            }
        };
        self.end = end;
    }

    /// Takes the last newline, `}`, newline behind offset `from` as the current token. If there is none, the current
    /// token becomes empty, which is an error for whoever reads it.
    fn skip_to_last_section_end(&mut self, from: usize) {
        match self.full[from..].windows(3).rposition(|window| window == b"\n}\n") {
            Some(offset) => {
                self.token = Token::SectionEnd;
                self.begin = from + offset + 1;
                self.end = self.begin + 1;
                self.text = until_nul(self.full, self.end);
            }
            None => self.end = self.begin,
        }
    }
}

/// The text from its start to the first NUL at or behind `from`.
fn until_nul(full: &[u8], from: usize) -> &[u8] {
    full[from..].find_byte(0).map_or(full, |length| &full[..from + length])
}

/// Undoes the escapes of a double-quoted string: `\"` and `\\`; other backslashes stay.
fn unescape(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        match (byte, rest.first()) {
            (b'\\', Some(&escaped @ (b'"' | b'\\'))) => {
                plain.push(escaped);
                rest = &rest[1..];
            }
            _ => plain.push(byte),
        }
    }
    plain
}

/// A section whose end has not been read yet; the first one stands for the file.
struct Open<'i, N> {
    node: Option<N>,
    /// The last child, kept only if names are not looked up.
    last: Option<N>,
    name: Cow<'i, [u8]>,
}

struct Parser<'i, 'b, B: Builder> {
    lexer: Lexer<'i>,
    builder: &'b mut B,
    index: ChildIndex<B::Node>,
    merge: bool,
    only_section: Option<&'b [u8]>,
    open: Vec<Open<'i, B::Node>>,
    warned_creation_time: bool,
}

impl<'i, B: Builder> Parser<'i, '_, B> {
    fn file(&mut self) -> Result<(), ParseError> {
        self.open.push(Open {
            node: None,
            last: None,
            name: Cow::Borrowed(b""),
        });
        self.lexer.advance();
        loop {
            match self.lexer.token {
                Token::End if self.open.len() == 1 => break,
                Token::SectionEnd if self.open.len() > 1 => self.section_end(),
                _ => self.entry()?,
            }
        }
        if self.builder.child(None).is_none() {
            Err(ParseError::Empty)
        } else {
            Ok(())
        }
    }

    fn section_end(&mut self) {
        let behind = self.lexer.end;
        let closed = self.open.pop();
        self.lexer.advance();
        if self.open.len() == 2
            && let (Some(closed), Some(section)) = (closed, self.only_section)
            && *closed.name == *section
        {
            self.lexer.skip_to_last_section_end(behind);
        }
    }

    fn entry(&mut self) -> Result<(), ParseError> {
        let name = match self.lexer.token {
            Token::Identifier => Cow::Borrowed(self.lexer.slice()),
            Token::DoubleQuoted(_) | Token::SingleQuoted => self.string()?,
            _ => return Err(self.lexer.error("unexpected token")),
        };
        self.lexer.advance();
        if name.is_empty() {
            return Err(self.lexer.error("empty section identifier"));
        }
        match self.lexer.token {
            Token::SectionBegin => {
                let node = self.node(&name)?;
                self.lexer.advance();
                self.open.push(Open {
                    node: Some(node),
                    last: None,
                    name,
                });
            }
            Token::Equals => {
                let node = self.node(&name)?;
                self.lexer.advance();
                let value = self.value(&name)?;
                if self.merge && self.builder.has_value(node) {
                    crate::log_warn!("WARNING: Ignoring duplicate config value: {}", Raw(&name));
                }
                self.builder.set_value(node, value);
            }
            _ => return Err(self.lexer.error("unexpected token")),
        }
        Ok(())
    }

    /// Finds or makes the node of a name in the innermost open section.
    fn node(&mut self, name: &[u8]) -> Result<B::Node, ParseError> {
        let Some(section) = self.open.last_mut() else {
            return Err(ParseError::Empty);
        };
        if self.merge {
            let mut parent = section.node;
            for key in components(name) {
                parent = Some(match self.index.find(self.builder, parent, key) {
                    Place::Found(node) => node,
                    Place::After(last) => self.index.append(self.builder, parent, last, key)?,
                });
            }
            return parent.ok_or(ParseError::Empty);
        }
        let mut made = None;
        for key in components(name) {
            let node = self.builder.new_node(key)?;
            match made {
                Some(parent) => {
                    self.builder.set_parent(node, parent);
                    self.builder.set_child(Some(parent), Some(node));
                }
                None => {
                    if let Some(parent) = section.node {
                        self.builder.set_parent(node, parent);
                    }
                    match section.last {
                        Some(last) => self.builder.set_sibling(last, Some(node)),
                        None => self.builder.set_child(section.node, Some(node)),
                    }
                    section.last = Some(node);
                }
            }
            made = Some(node);
        }
        made.ok_or(ParseError::Empty)
    }

    /// Reads what stands right of `=` and returns the first value.
    fn value(&mut self, name: &[u8]) -> Result<B::Value, ParseError> {
        if self.lexer.token != Token::ArrayBegin {
            return self.scalar(name);
        }
        self.lexer.advance();
        let mut first = None;
        let mut last: Option<B::Value> = None;
        while self.lexer.token != Token::ArrayEnd {
            let value = self.scalar(name)?;
            match last {
                Some(last) => self.builder.set_next(last, value),
                None => first = Some(value),
            }
            last = Some(value);
            if self.lexer.token == Token::Comma {
                self.lexer.advance();
            }
        }
        self.lexer.advance();
        match first {
            Some(first) => Ok(first),
            None => Ok(self.builder.new_value(Scalar::EmptyArray)?),
        }
    }

    fn scalar(&mut self, name: &[u8]) -> Result<B::Value, ParseError> {
        let value = match self.lexer.token {
            Token::DoubleQuoted(_) | Token::SingleQuoted => {
                let text = self.string()?;
                self.builder.new_value(Scalar::Str(&text))?
            }
            Token::Word => self.builder.new_value(Scalar::Str(self.lexer.slice()))?,
            Token::Int => {
                let value = self.int(name)?;
                self.builder.new_value(Scalar::Int(value))?
            }
            Token::Float => {
                let value = number::float(self.lexer.slice()).ok_or(ParseError::Float)?;
                self.builder.new_value(Scalar::Float(value))?
            }
            _ => return Err(self.lexer.error("expected a value")),
        };
        self.lexer.advance();
        Ok(value)
    }

    fn int(&mut self, name: &[u8]) -> Result<i64, ParseError> {
        match number::int(self.lexer.slice(), &self.lexer.text[self.lexer.end..]) {
            Ok(value) => Ok(value),
            Err(BadInt::Overflow) if components(name).last() == Some(b"creation_time".as_slice()) => {
                if !self.warned_creation_time {
                    self.warned_creation_time = true;
                    crate::log_warn!(
                        "WARNING: Invalid creation_time found in metadata (repaired with next metadata update)."
                    );
                }
                Ok(REPAIRED_CREATION_TIME)
            }
            Err(_) => Err(ParseError::Int),
        }
    }

    /// The content of a quoted token. A string that the end of the text cuts off loses its last byte, as it always has.
    fn string(&self) -> Result<Cow<'i, [u8]>, ParseError> {
        let token = self.lexer.slice();
        if token.len() < 2 {
            return Err(self.lexer.error("expected a string token."));
        }
        let content = &token[1..token.len() - 1];
        Ok(match self.lexer.token {
            Token::DoubleQuoted(true) => Cow::Owned(unescape(content)),
            _ => Cow::Borrowed(content),
        })
    }
}
