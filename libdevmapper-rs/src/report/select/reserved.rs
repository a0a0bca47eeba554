//! Reserved values: names for values, and values that comparisons leave out.

use crate::log::Raw;
use crate::log_error;
use crate::report::schema::Kind;

/// Where a reserved value applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReservedScope {
    /// To all fields of a kind.
    Kind(Kind),
    /// To one field, by its index in the schema.
    Field(usize),
}

/// A value, or an inclusive range of values (both ends equal for one value).
#[derive(Clone, Debug, PartialEq)]
pub enum ReservedValue {
    /// Numbers and percentages.
    Number(u64, u64),
    /// Sizes in sectors.
    Size(f64, f64),
    /// Seconds since the epoch.
    Time(i64, i64),
    /// A text.
    Text(Vec<u8>),
    /// Computed when it is used, see [`ReservedHandler::value`].
    Dynamic,
}

/// A reserved value.
#[derive(Clone, Debug)]
pub struct Reserved<'a> {
    /// Where it applies.
    pub scope: ReservedScope,
    /// It only has a name. If false, it may not be written as a value, and the operators `<` `<=` `>` `>=` leave it out.
    pub named: bool,
    /// The handler may recognise names that are not in `names`.
    pub fuzzy: bool,
    /// The value.
    pub value: ReservedValue,
    /// Its names in selections.
    pub names: Vec<&'a [u8]>,
    /// One line for the selection help.
    pub description: &'a [u8],
}

/// What a handler answers instead of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandlerError {
    /// It failed.
    Failed,
    /// It does not do this.
    NotImplemented,
}

/// The program's part in reserved values.
pub trait ReservedHandler {
    /// Whether `name` is a name of the entry (an index) for the field (an index of the schema). If so, the handler
    /// remembers which value is meant until it is asked for it.
    ///
    /// # Errors
    /// See [`HandlerError`].
    fn recognise(&mut self, entry: usize, field: usize, name: &[u8]) -> Result<bool, HandlerError>;

    /// The value of an entry: of the static name with index `name`, or, if it is `None`, of the name that was
    /// recognised last. `kind` is that of the field.
    ///
    /// # Errors
    /// See [`HandlerError`].
    fn value(
        &mut self,
        entry: usize,
        field: usize,
        kind: Kind,
        name: Option<usize>,
    ) -> Result<ReservedValue, HandlerError>;
}

/// For reports whose reserved values are all static.
#[derive(Clone, Copy, Debug)]
pub struct NoHandler;

impl ReservedHandler for NoHandler {
    fn recognise(&mut self, _: usize, _: usize, _: &[u8]) -> Result<bool, HandlerError> {
        Err(HandlerError::NotImplemented)
    }

    fn value(&mut self, _: usize, _: usize, _: Kind, _: Option<usize>) -> Result<ReservedValue, HandlerError> {
        Err(HandlerError::NotImplemented)
    }
}

/// A field, as far as reserved values care.
#[derive(Clone, Copy)]
pub(super) struct Target<'t> {
    /// Index in the schema.
    pub(super) index: usize,
    pub(super) kind: Kind,
    pub(super) id: &'t [u8],
}

impl Target<'_> {
    fn has(&self, reserved: &Reserved<'_>) -> bool {
        match reserved.scope {
            ReservedScope::Kind(kind) => kind == self.kind,
            ReservedScope::Field(index) => index == self.index,
        }
    }
}

/// A handler failed on a value that was asked for by name; logged.
#[derive(Debug)]
pub(super) struct HandlerFailed;

fn log_failure(reserved: &Reserved<'_>, target: &Target<'_>, error: HandlerError, action: &str) {
    let what = match reserved.scope {
        ReservedScope::Kind(_) => "type-specific",
        ReservedScope::Field(_) => "field-specific",
    };
    match error {
        HandlerError::Failed => log_error!(
            "Error occurred while processing {what} reserved value handler for field {}",
            Raw(target.id)
        ),
        HandlerError::NotImplemented => log_error!(
            "Internal error: {what} reserved value handler for field {} has missing implementation of {action} action",
            Raw(target.id)
        ),
    }
}

/// A value found by its name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    entry: usize,
    /// Index of the static name, `None` for one that the handler recognised.
    name: Option<usize>,
}

impl Found {
    /// The value itself.
    pub(super) fn resolve(
        self,
        handler: &mut dyn ReservedHandler,
        all: &[Reserved<'_>],
        target: &Target<'_>,
    ) -> Result<ReservedValue, HandlerFailed> {
        let reserved = &all[self.entry];
        match &reserved.value {
            ReservedValue::Dynamic => {
                handler
                    .value(self.entry, target.index, target.kind, self.name)
                    .map_err(|error| {
                        log_failure(reserved, target, error, "DM_REPORT_RESERVED_GET_DYNAMIC_VALUE");
                        HandlerFailed
                    })
            }
            value => Ok(value.clone()),
        }
    }

    pub(super) fn is_strict(self, all: &[Reserved<'_>]) -> bool {
        !all[self.entry].named
    }
}

/// Looks a token up among the names.
pub(super) fn find(
    all: &[Reserved<'_>],
    handler: &mut dyn ReservedHandler,
    target: &Target<'_>,
    token: &[u8],
) -> Option<Found> {
    for (entry, reserved) in all.iter().enumerate().filter(|(_, r)| target.has(r)) {
        if let Some(name) = reserved.names.iter().position(|name| *name == token) {
            return Some(Found {
                entry,
                name: Some(name),
            });
        }
        if reserved.fuzzy {
            match handler.recognise(entry, target.index, token) {
                Ok(true) => return Some(Found { entry, name: None }),
                Ok(false) => {}
                Err(error) => log_failure(reserved, target, error, "DM_REPORT_RESERVED_PARSE_FUZZY_NAME"),
            }
        }
    }
    None
}

/// The strictly reserved values of a field.
pub(super) fn strict<'r>(all: &'r [Reserved<'_>], target: &Target<'_>) -> Vec<&'r ReservedValue> {
    all.iter()
        .filter(|r| !r.named && target.has(r))
        .map(|r| &r.value)
        .collect()
}
