//! What a report can show: object types, fields, and how their names are matched.

use std::sync::atomic::{AtomicBool, Ordering};

/// The object type of the fields that every report has ([`FieldRef::Selected`] and the help fields).
pub const IMPLICIT_TYPE: u32 = 0x8000_0000;

/// Names hold at most this many letters, underscores not counted.
const MAX_NAME: usize = 31;

/// What the values of a field are, for sorting, selection and JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Not declared: the field is only shown.
    None,
    /// A text.
    String,
    /// An unsigned number of 64 bits; negative numbers are sign-extended.
    Number,
    /// A size in sectors of 512 bytes, as a double.
    Size,
    /// A percentage times 10^6, sign-extended.
    Percent,
    /// A list of texts.
    StringList,
    /// Seconds since the epoch.
    Time,
}

impl Kind {
    /// The kind named by the type bits of a field's flags (`DM_REPORT_FIELD_TYPE_*`).
    #[must_use]
    pub fn from_bits(flags: u32) -> Self {
        match flags & 0xff0 {
            0x10 => Self::String,
            0x20 => Self::Number,
            0x40 => Self::Size,
            0x80 => Self::Percent,
            0x100 => Self::StringList,
            0x200 => Self::Time,
            _ => Self::None,
        }
    }

    /// Name in listings.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "unknown",
            Self::String => "string",
            Self::Number => "number",
            Self::Size => "size",
            Self::Percent => "percent",
            Self::StringList => "string list",
            Self::Time => "time",
        }
    }

    /// Whether the sort value is a 64-bit pattern.
    pub(crate) fn is_numeric(self) -> bool {
        matches!(self, Self::Number | Self::Size | Self::Percent | Self::Time)
    }
}

/// On which side a column is padded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Align {
    /// Right for numbers and sizes, else left.
    #[default]
    Default,
    /// Left.
    Left,
    /// Right.
    Right,
}

/// A kind of object that fields belong to.
#[derive(Clone, Copy, Debug)]
pub struct ObjectType<'a> {
    /// A power of two other than [`IMPLICIT_TYPE`].
    pub id: u32,
    /// Title of the section in the field listing.
    pub description: &'a [u8],
    /// What the ids of its fields begin with, such as `lv_`; may be empty.
    pub prefix: &'a [u8],
}

/// A field that can be shown, sorted by and selected by.
#[derive(Clone, Copy, Debug)]
pub struct FieldType<'a> {
    /// Id of its object type.
    pub object_type: u32,
    /// Kind of its values.
    pub kind: Kind,
    /// Alignment of its column.
    pub align: Align,
    /// Least width of its column in bytes.
    pub width: usize,
    /// Name in field lists.
    pub id: &'a [u8],
    /// Text of the heading.
    pub heading: &'a [u8],
    /// One line for the listing.
    pub description: &'a [u8],
}

impl<'a> FieldType<'a> {
    /// A field as wide as its heading, on the side that its kind suggests, without a description.
    #[must_use]
    pub const fn new(object_type: u32, kind: Kind, id: &'a [u8], heading: &'a [u8]) -> Self {
        Self {
            object_type,
            kind,
            align: Align::Default,
            width: heading.len(),
            id,
            heading,
            description: b"",
        }
    }
}

impl FieldType<'_> {
    pub(crate) fn right_aligned(&self) -> bool {
        match self.align {
            Align::Left => false,
            Align::Right => true,
            Align::Default => matches!(self.kind, Kind::Number | Kind::Size),
        }
    }
}

/// Everything that reports of one program can show.
#[derive(Clone, Debug, Default)]
pub struct Schema<'a> {
    /// Object types.
    pub types: Vec<ObjectType<'a>>,
    /// Fields, in the order of listings and of `all`.
    pub fields: Vec<FieldType<'a>>,
}

/// One field of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldRef {
    /// A field of the schema, by index.
    Listed(usize),
    /// Whether the row passes the selection.
    Selected,
    /// `help`: prints the listing instead of a report.
    Help,
    /// `?`: the same.
    Question,
}

/// Whether `selected` exists: from the first report with selection on, in the whole process.
static SELECTION_KNOWN: AtomicBool = AtomicBool::new(false);

/// Makes the field `selected` known.
pub(crate) fn know_selection() {
    SELECTION_KNOWN.store(true, Ordering::Relaxed);
}

const fn implicit(id: &'static [u8], heading: &'static [u8], description: &'static [u8]) -> FieldType<'static> {
    FieldType {
        object_type: IMPLICIT_TYPE,
        kind: Kind::Number,
        align: Align::Default,
        width: 8,
        id,
        heading,
        description,
    }
}
static SELECTED: FieldType<'static> = implicit(b"selected", b"Selected", b"Set if item passes selection criteria.");
static HELP: FieldType<'static> = implicit(b"help", b"Help", b"Show help.");
static QUESTION: FieldType<'static> = implicit(b"?", b"Help", b"Show help.");

/// The implicit fields, in the order of listings.
pub(crate) fn implicit_fields() -> &'static [FieldRef] {
    if SELECTION_KNOWN.load(Ordering::Relaxed) {
        &[FieldRef::Selected, FieldRef::Help, FieldRef::Question]
    } else {
        &[FieldRef::Help, FieldRef::Question]
    }
}

/// The letters that count: no underscores, lower case.
fn letters(name: &[u8]) -> impl Iterator<Item = u8> + '_ {
    name.iter().filter(|b| **b != b'_').map(u8::to_ascii_lowercase)
}

/// What follows `prefix` in `name` (both as [`letters`]), or `None`.
fn after_prefix<'n>(name: &'n [u8], prefix: &[u8]) -> Option<impl Iterator<Item = u8> + use<'n>> {
    let mut rest = letters(name);
    letters(prefix).all(|p| rest.next() == Some(p)).then_some(rest)
}

/// A name of a field list, ready to be looked up.
pub(crate) struct Name {
    letters: [u8; MAX_NAME],
    len: usize,
    /// Whether there were underscores, which say nothing but in `all`.
    underscores: bool,
}

impl Name {
    /// Takes the name at the start of `rest`, `len` bytes of it.
    ///
    /// # Errors
    /// It is too long (logged; the message shows the text from there on).
    pub(crate) fn new(rest: &[u8], len: usize) -> Result<Self, NameTooLong> {
        let mut name = Self {
            letters: [0; MAX_NAME],
            len: 0,
            underscores: rest[..len].contains(&b'_'),
        };
        for (at, byte) in rest[..len].iter().enumerate() {
            if *byte == b'_' {
                continue;
            }
            let Some(slot) = name.letters.get_mut(name.len) else {
                crate::log_error!("{}: field name too long.", crate::log::Raw(&rest[at..]));
                return Err(NameTooLong);
            };
            *slot = byte.to_ascii_lowercase();
            name.len += 1;
        }
        Ok(name)
    }

    fn get(&self) -> &[u8] {
        &self.letters[..self.len]
    }

    fn is(&self, other: impl Iterator<Item = u8>) -> bool {
        self.get().iter().copied().eq(other)
    }
}

/// A name with more letters than any field has.
#[derive(Debug)]
pub(crate) struct NameTooLong;

impl<'a> Schema<'a> {
    /// The definition of a field.
    #[must_use]
    pub fn get(&self, field: FieldRef) -> &FieldType<'a> {
        match field {
            FieldRef::Listed(index) => &self.fields[index],
            FieldRef::Selected => &SELECTED,
            FieldRef::Help => &HELP,
            FieldRef::Question => &QUESTION,
        }
    }

    /// The prefix that may be left out in names: that of the only type of the report.
    pub(crate) fn report_prefix(&self, types: u32) -> &'a [u8] {
        self.types.iter().find(|t| t.id == types).map_or(b"", |t| t.prefix)
    }

    /// Finds a field by its name, with or without `prefix`. Implicit fields come first.
    pub(crate) fn find(&self, name: &Name, prefix: &[u8]) -> Option<FieldRef> {
        if let Some(field) = implicit_fields().iter().find(|f| name.is(letters(self.get(**f).id))) {
            return Some(*field);
        }
        let listed = self.fields.iter().position(|field| {
            name.is(letters(field.id))
                || !prefix.is_empty() && after_prefix(field.id, prefix).is_some_and(|rest| name.is(rest))
        });
        listed.map(FieldRef::Listed)
    }

    fn types_with_prefix(&self, prefix: &[u8]) -> u32 {
        self.types
            .iter()
            .filter(|t| t.prefix == prefix)
            .fold(0, |mask, t| mask | t.id)
    }

    /// The object types whose fields a name such as `all` or `lv_all` stands for.
    pub(crate) fn find_all(&self, name: &Name, prefix: &[u8], types: u32) -> Option<u32> {
        if name.get() == b"all" && !name.underscores {
            return Some(match (prefix.is_empty(), types) {
                (true, 0) => !IMPLICIT_TYPE,
                (true, types) => types,
                (false, types) => types | self.types_with_prefix(prefix),
            });
        }
        let named = self.types.iter().find(|t| name.is(letters(t.prefix).chain(*b"all")))?;
        Some(self.types_with_prefix(named.prefix))
    }
}
