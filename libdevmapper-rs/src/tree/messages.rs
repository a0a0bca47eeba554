//! Messages to targets: thin pools, and vdo of old versions.

use super::Tree;
use super::node::{Messages, Node};
use super::segment::Kind;
use crate::error::{Error, Result};
use crate::status::vdo::{self, CompressionState, IndexState};
use crate::status::{ThinPool, parse_thin_pool};
use crate::task::Target;
use bstr::{BStr, BString};
use dm_abi::errno::Errno;
use std::fmt::Arguments;

/// What a thin pool is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ThinMessage {
    /// Make thin device `id` a snapshot of device `origin`.
    CreateSnap {
        /// New device.
        id: u32,
        /// Existing device.
        origin: u32,
    },
    /// Make thin device `id`; it may exist.
    CreateThin {
        /// New device.
        id: u32,
    },
    /// Delete thin device `id`; it may be gone.
    Delete {
        /// The device.
        id: u32,
    },
    /// Set the transaction id.
    SetTransactionId {
        /// The id it must have now.
        current: u64,
        /// The id it gets.
        new: u64,
    },
}

impl ThinMessage {
    fn text(self) -> BString {
        match self {
            Self::CreateSnap { id, origin } => format!("create_snap {id} {origin}"),
            Self::CreateThin { id } => format!("create_thin {id}"),
            Self::Delete { id } => format!("delete {id}"),
            Self::SetTransactionId { current, new } => format!("set_transaction_id {current} {new}"),
        }
        .into()
    }

    /// The refusal that means the message has been carried out before.
    fn tolerated(self) -> Option<Errno> {
        match self {
            Self::CreateThin { .. } => Some(Errno::EEXIST),
            Self::Delete { .. } => Some(Errno::ENODATA),
            Self::CreateSnap { .. } | Self::SetTransactionId { .. } => None,
        }
    }
}

fn refuse<T>(text: Arguments<'_>) -> Result<T> {
    crate::log_error!("{text}");
    Err(Error::Invalid(text.to_string()))
}

/// What a node's messages are about.
enum Receiver {
    ThinPool {
        transaction_id: u64,
        messages: Vec<ThinMessage>,
    },
    Vdo {
        compression: bool,
        deduplication: bool,
    },
    Other,
}

impl Tree {
    /// Checks that the target is in the state its messages are meant for.
    pub(super) fn check_messages(&self, node: &Node, prefix: Option<&BStr>) -> Result<()> {
        self.messages(node, prefix, false)
    }

    /// Sends what is queued for the node's target.
    pub(super) fn send_messages(&self, node: &Node, prefix: Option<&BStr>) -> Result<()> {
        self.messages(node, prefix, true)
    }

    fn messages(&self, node: &Node, prefix: Option<&BStr>, send: bool) -> Result<()> {
        let info = node.info.get();
        if !info.exists || !info.live_table || !self.is_wanted(node, prefix) {
            return Ok(());
        }
        let receiver = match node.segments.borrow().first().map(|segment| &segment.kind) {
            Some(Kind::ThinPool(pool)) => Receiver::ThinPool {
                transaction_id: pool.transaction_id,
                messages: pool.messages.clone(),
            },
            Some(Kind::Vdo(vdo)) => {
                let (compression, deduplication) = vdo.wanted();
                Receiver::Vdo {
                    compression,
                    deduplication,
                }
            }
            _ => Receiver::Other,
        };
        match receiver {
            Receiver::ThinPool {
                transaction_id,
                messages,
            } => self.to_pool(node, transaction_id, &messages, send),
            Receiver::Vdo {
                compression,
                deduplication,
            } if send => self.to_vdo(node, compression, deduplication),
            Receiver::Vdo { .. } | Receiver::Other => Ok(()),
        }
    }

    fn to_pool(&self, node: &Node, wanted: u64, messages: &[ThinMessage], send: bool) -> Result<()> {
        let pool = self.pool_status(node)?;
        let has = pool.transaction_id;
        if has == wanted {
            crate::log_debug!("Thin pool {node} transaction_id matches {wanted}, skipping messages.");
            node.messages.set(Messages::None);
            return Ok(());
        }
        if has.checked_add(1) != Some(wanted) {
            let expected = if messages.is_empty() {
                wanted
            } else {
                wanted.wrapping_sub(1)
            };
            return refuse(format_args!(
                "Thin pool {node} transaction_id is {has}, while expected {expected}."
            ));
        }
        if messages.is_empty() || !send {
            return Ok(());
        }
        if pool.fail || pool.read_only || pool.needs_check {
            return refuse(format_args!(
                "Cannot send messages to thin pool {node}{}{}{}.",
                if pool.fail { " in failed state" } else { "" },
                if pool.read_only { " with read only metadata" } else { "" },
                if pool.needs_check {
                    " which needs check first"
                } else {
                    ""
                }
            ));
        }
        for message in messages {
            self.to_pool_one(node, *message)?;
        }
        node.messages.set(Messages::None);
        Ok(())
    }

    fn to_pool_one(&self, node: &Node, message: ThinMessage) -> Result<()> {
        let text = message.text();
        if let Err(error) = self.driver.message(node.number(), text.as_ref(), message.tolerated()) {
            crate::log_error!("Failed to process message \"{text}\".");
            if let (
                Error::Ioctl {
                    errno: Errno::EEXIST, ..
                },
                ThinMessage::CreateSnap { id, .. } | ThinMessage::CreateThin { id },
            ) = (&error, message)
            {
                crate::log_error!("Thin pool {node} already has a thin device with device_id {id}.");
                crate::log_error!("It may have to be deleted from the pool's metadata by hand (dev_id={id}).");
                crate::log_error!("Or a volume with device_id={id} can be added to the volume group by hand.");
            }
            return Err(error);
        }
        if let ThinMessage::SetTransactionId { new, .. } = message {
            let has = self.pool_status(node)?.transaction_id;
            if has != new {
                return refuse(format_args!(
                    "Thin pool {node} transaction_id is {has}, while expected {new}."
                ));
            }
        }
        Ok(())
    }

    fn pool_status(&self, node: &Node) -> Result<ThinPool> {
        let line = self.first_status(node, "thin-pool")?;
        let pool = parse_thin_pool(&line.params)?;
        crate::log_debug!(
            "Found transaction id {} for thin pool {node} with status line: {}.",
            pool.transaction_id,
            line.params
        );
        Ok(pool)
    }

    fn first_status(&self, node: &Node, target: &str) -> Result<Target> {
        let lines = self.driver.status(node.number())?;
        match lines.into_iter().next() {
            Some(line) if line.kind == target => Ok(line),
            other => {
                let found = other.map(|line| line.kind).unwrap_or_default();
                refuse(format_args!("Expected {target} target for {node} and got {found}."))
            }
        }
    }

    fn to_vdo(&self, node: &Node, compression: bool, deduplication: bool) -> Result<()> {
        let line = self.first_status(node, "vdo")?;
        let status = match vdo::parse_status(&line.params) {
            Ok(status) => status,
            Err(why) => return refuse(format_args!("Failed to parse VDO status of {node}: {why}.")),
        };
        let switches = [
            (
                compression,
                status.compression_state == CompressionState::Offline,
                "compression on",
                "compression off",
            ),
            (
                deduplication,
                status.index_state == IndexState::Offline,
                "index-enable",
                "index-disable",
            ),
        ];
        for (wanted, offline, on, off) in switches {
            // Offline and wanted, or not offline and not wanted.
            if wanted == offline {
                let message = if wanted { on } else { off };
                self.driver
                    .message(node.number(), message.into(), None)
                    .inspect_err(|_| {
                        crate::log_error!("Failed to process message \"{message}\" for {node}.");
                    })?;
            }
        }
        node.messages.set(Messages::None);
        Ok(())
    }
}
