//! The group tag that the leader of a group keeps in its aux data: `DMS_GROUP="ALIAS":MEMBERS#USER`.
//!
//! The alias stands in double quotes and is left out with them when there is none: `DMS_GROUP=:4-5#hist`. Libraries up
//! to 1.02.205 wrote it without quotes; that is read too.

use std::ops::RangeInclusive;

use bstr::{BString, ByteSlice};

use super::members;
use crate::error::{Error, Result};

/// What a tag begins with.
pub const PREFIX: &[u8] = b"DMS_GROUP=";

/// A tag, apart from the user's aux data behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Name of the group.
    pub alias: Option<BString>,
    /// Ids of the members.
    pub members: Vec<RangeInclusive<u64>>,
}

/// Takes the tag and the user's part out of a leader's aux data. `None` when there is no tag.
///
/// The tag is an error of its own, so that the user's part is known even then.
#[must_use]
pub fn split(aux: &[u8]) -> Option<(Result<Tag>, &[u8])> {
    let tag = aux.strip_prefix(PREFIX)?;
    match tag.split_once_str("#") {
        Some((tag, user)) => Some((parse(tag), user)),
        None => Some((Err(wrong(tag)), b"")),
    }
}

fn wrong(tag: &[u8]) -> Error {
    Error::Parse(format!("no group tag: {}", tag.as_bstr()))
}

/// Parses what stands between [`PREFIX`] and `#`.
fn parse(tag: &[u8]) -> Result<Tag> {
    let (alias, members) = tag.split_once_str(":").ok_or_else(|| wrong(tag))?;
    let quoted = alias.strip_prefix(b"\"").and_then(|a| a.strip_suffix(b"\""));
    let alias = quoted.unwrap_or(alias);
    Ok(Tag {
        alias: (!alias.is_empty()).then(|| alias.into()),
        members: members::parse(members)?,
    })
}

/// The text of a tag with its `#`, for a message: blanks, tabs and backslashes are escaped.
#[must_use]
pub fn format(alias: Option<&[u8]>, members: &[u8]) -> BString {
    let mut tag = BString::from(PREFIX);
    if let Some(alias) = alias {
        tag.push(b'"');
        tag.extend_from_slice(&super::message::escape(alias));
        tag.push(b'"');
    }
    tag.push(b':');
    tag.extend_from_slice(members);
    tag.push(b'#');
    tag
}

/// Refuses an alias that a tag cannot hold.
///
/// # Errors
/// It is empty or has a `:`, a `#` or a line break in it; logged.
pub fn check_alias(alias: &[u8]) -> Result<()> {
    if alias.is_empty() || alias.find_byteset(b":#\n\r\x0b\x0c").is_some() {
        let message = format!("Invalid group alias: '{}'", alias.as_bstr());
        crate::log_error!("{message}");
        return Err(Error::Invalid(message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn tags() {
        let (tag, user) = split(b"DMS_GROUP=\"my alias\":0-1,4#-").unwrap();
        assert_eq!(
            tag.unwrap(),
            Tag {
                alias: Some("my alias".into()),
                members: vec![0..=1, 4..=4]
            }
        );
        assert_eq!(user, b"-");
        let (tag, user) = split(b"DMS_GROUP=:4-5#hist").unwrap();
        assert_eq!(
            tag.unwrap(),
            Tag {
                alias: None,
                members: vec![4..=5]
            }
        );
        assert_eq!(user, b"hist");
        let (tag, _) = split(b"DMS_GROUP=old:4-5#hist").unwrap();
        assert_eq!(tag.unwrap().alias.unwrap(), "old");
        assert!(split(b"hist").is_none());
        let (tag, user) = split(b"DMS_GROUP=:4-#u").unwrap();
        assert!(tag.is_err());
        assert_eq!(user, b"u");
        assert!(split(b"DMS_GROUP=").unwrap().0.is_err());
        assert_eq!(format(Some(b"new alias"), b"0,4"), "DMS_GROUP=\"new\\ alias\":0,4#");
        assert_eq!(format(None, b"4-5"), "DMS_GROUP=:4-5#");
    }

    #[test]
    fn aliases() {
        assert!(check_alias(b"my alias").is_ok());
        for wrong in [&b""[..], b"a:b", b"a#b", b"a\nb"] {
            assert!(check_alias(wrong).is_err());
        }
    }

    proptest! {
        #[test]
        fn any_bytes(text in proptest::collection::vec(any::<u8>(), 0..40)) {
            let mut aux = PREFIX.to_vec();
            aux.extend(text);
            prop_assert!(split(&aux).is_some());
        }
    }
}
