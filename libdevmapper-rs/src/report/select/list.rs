//! Conditions on lists of texts: `[a && b]`, `{a || b}`, with texts or regular expressions.

use crate::log::Raw;
use crate::log_error;
use crate::regex::Regex;

use super::token::{self, logical_operator, skip_space};

/// Which items are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `[a && b]`: exactly these.
    ExactAll,
    /// `[a || b]`: none but these.
    ExactAny,
    /// `{a && b}`: at least these.
    SubsetAll,
    /// `{a || b}`: one of these.
    SubsetAny,
}

impl Form {
    fn is_all(self) -> bool {
        matches!(self, Self::ExactAll | Self::SubsetAll)
    }
}

/// A list as written.
#[derive(Debug)]
pub(crate) struct ListText<'t> {
    pub(crate) form: Form,
    pub(crate) items: Vec<&'t [u8]>,
}

/// A condition on a list.
#[derive(Debug)]
pub(crate) enum ListTest {
    /// With texts, sorted.
    Texts { form: Form, items: Vec<Vec<u8>> },
    /// With regular expressions.
    Patterns {
        form: Form,
        count: usize,
        regex: Box<Regex>,
    },
}

impl ListTest {
    pub(crate) fn texts(list: &ListText<'_>) -> Self {
        let mut items: Vec<_> = list.items.iter().map(|item| item.to_vec()).collect();
        items.sort_unstable();
        Self::Texts { form: list.form, items }
    }

    /// Whether the sorted items of a row pass.
    pub(crate) fn holds<'v>(&self, values: impl ExactSizeIterator<Item = &'v [u8]> + Clone) -> bool {
        match self {
            Self::Texts { form, items } => texts_hold(*form, items, values),
            Self::Patterns { form, count, regex } => patterns_hold(*form, *count, regex, values),
        }
    }
}

fn texts_hold<'v>(form: Form, items: &[Vec<u8>], mut values: impl ExactSizeIterator<Item = &'v [u8]> + Clone) -> bool {
    let wanted = |value: &[u8]| items.binary_search_by(|item| item.as_slice().cmp(value)).is_ok();
    if values.len() == 0 {
        // An empty list is like one empty item.
        return if form.is_all() {
            items.len() == 1 && items[0].is_empty()
        } else {
            wanted(b"")
        };
    }
    match form {
        Form::ExactAll => values.len() == items.len() && values.eq(items.iter().map(Vec::as_slice)),
        Form::ExactAny => values.all(wanted),
        Form::SubsetAll => items.iter().all(|item| values.clone().any(|value| value == item)),
        Form::SubsetAny => values.any(wanted),
    }
}

fn patterns_hold<'v>(
    form: Form,
    count: usize,
    regex: &Regex,
    mut values: impl ExactSizeIterator<Item = &'v [u8]> + Clone,
) -> bool {
    if values.len() == 0 {
        return (!form.is_all() || count == 1) && regex.find(b"").is_some();
    }
    match form {
        Form::ExactAny => values.all(|value| regex.find(value).is_some()),
        Form::SubsetAny => values.any(|value| regex.find(value).is_some()),
        Form::ExactAll | Form::SubsetAll => {
            let mut credit = vec![false; count];
            for value in values {
                match regex.find(value) {
                    Some(pattern) => credit[pattern] = true,
                    None if form == Form::ExactAll => return false,
                    None => {}
                }
            }
            credit.into_iter().all(|c| c)
        }
    }
}

/// Why a list could not be read; logged.
#[derive(Debug)]
pub(super) struct BadList;

/// Logs that an item could not be read.
fn bad_item(field: &[u8]) -> BadList {
    log_error!("Failed to parse string list value for selection field {}.", Raw(field));
    BadList
}

/// Reads the list, or the single item, at `at`; returns where parsing goes on.
pub(super) fn parse<'t>(text: &'t [u8], at: usize, field: &[u8]) -> Result<(ListText<'t>, usize), BadList> {
    let close = match text.get(at) {
        Some(b'[') => b']',
        Some(b'{') => b'}',
        _ => {
            let token = token::value(text, at).map_err(|_| bad_item(field))?;
            let items = vec![&text[token.start..token.end]];
            return Ok((
                ListText {
                    form: Form::SubsetAny,
                    items,
                },
                token.next,
            ));
        }
    };
    let strict = close == b']';
    let mut items = Vec::new();
    let mut any: Option<bool> = None;
    let mut at = at + 1;
    loop {
        at = skip_space(text, at);
        if at == text.len() {
            log_error!("Missing list end for selection field {}", Raw(field));
            return Err(BadList);
        }
        let token = item(text, at).map_err(|_| bad_item(field))?;
        items.push(&text[token.start..token.end]);
        at = skip_space(text, token.next);
        match text.get(at) {
            Some(&byte) if byte == close => break,
            Some(b']' | b'}') => {
                log_error!("List ended with incorrect character, expecting '{}'.", close as char);
                return Err(BadList);
            }
            byte => {
                let len = logical_operator(&text[at..]);
                if len == 0 {
                    log_error!("Invalid operator in selection list.");
                    return Err(BadList);
                }
                let is_any = matches!(byte, Some(b'|' | b'#'));
                if any.is_some_and(|any| any != is_any) {
                    log_error!("Only one type of logical operator allowed in selection list at a time.");
                    return Err(BadList);
                }
                any = Some(is_any);
                at += len;
            }
        }
    }
    let form = match (strict, any) {
        (true, None | Some(false)) => Form::ExactAll,
        (true, Some(true)) => Form::ExactAny,
        (false, Some(false)) => Form::SubsetAll,
        (false, None | Some(true)) => Form::SubsetAny,
    };
    Ok((ListText { form, items }, at + 1))
}

/// An item: quoted, or up to a blank, a separator or the end of a list.
fn item(text: &[u8], at: usize) -> Result<token::Token, BadList> {
    match text.get(at) {
        Some(quote @ (b'"' | b'\'')) => token::quoted(text, at, *quote).map_err(|_| BadList),
        _ => Ok(token::plain(text, at, b"]}")),
    }
}
