//! What crypt segments make of their data, block by block as the standards say it.

use aes::cipher::array::Array;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes256};
use sha2::{Digest, Sha256};

use crate::disk::SECTOR;

const BLOCK: usize = 16;

/// A cipher with its key, all of it the same byte but for its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cipher {
    /// `aes-xts-plain64`, else `aes-cbc-essiv:sha256`.
    pub xts: bool,
    /// Keys of 256 bits, else 128.
    pub long: bool,
    /// What the key is made of.
    pub seed: u8,
    /// Sector number of the segment's first sector.
    pub iv_offset: u64,
    /// Sectors that are encrypted as one.
    pub unit: u64,
    /// Discards go on.
    pub discards: bool,
}

impl Cipher {
    fn key(&self) -> Vec<u8> {
        let single = if self.long { 32u8 } else { 16 };
        let len = if self.xts { 2 * single } else { single };
        (0..len)
            .map(|place| self.seed.wrapping_add(place.wrapping_mul(37)))
            .collect()
    }

    /// The words of a table line, with a device and a sector in between.
    #[must_use]
    pub fn words(&self, goal: &str) -> String {
        let name = if self.xts {
            "aes-xts-plain64"
        } else {
            "aes-cbc-essiv:sha256"
        };
        let key: String = self.key().iter().map(|byte| format!("{byte:02x}")).collect();
        let mut features = Vec::new();
        if self.discards {
            features.push("allow_discards".into());
        }
        if self.unit > 1 {
            features.push(format!("sector_size:{}", self.unit * SECTOR as u64));
        }
        let features = match features.len() {
            0 => String::new(),
            count => format!(" {count} {}", features.join(" ")),
        };
        format!("{name} {key} {} {goal}{features}", self.iv_offset)
    }

    /// Encrypts or decrypts whole units, the first of which begins at this sector of the segment.
    pub fn change(&self, encrypts: bool, first: u64, data: &mut [u8]) {
        let unit = usize::try_from(self.unit).expect("small") * SECTOR;
        for (index, data) in data.chunks_mut(unit).enumerate() {
            let sector = first + index as u64 * self.unit + self.iv_offset;
            if self.xts {
                self.xts(encrypts, sector, data);
            } else {
                self.cbc(encrypts, sector, data);
            }
        }
    }

    fn xts(&self, encrypts: bool, sector: u64, data: &mut [u8]) {
        let key = self.key();
        let (main, other) = key.split_at(key.len() / 2);
        let mut tweak = plain64(sector);
        block(other, true, &mut tweak);
        for place in data.chunks_exact_mut(BLOCK) {
            xor(place, &tweak);
            block(main, encrypts, place);
            xor(place, &tweak);
            // Times x in the field of 2^128, the lowest bit in the first byte.
            let number = u128::from_le_bytes(tweak);
            let carry = if number >> 127 == 1 { 0x87 } else { 0 };
            tweak = (number << 1 ^ carry).to_le_bytes();
        }
    }

    fn cbc(&self, encrypts: bool, sector: u64, data: &mut [u8]) {
        let key = self.key();
        let mut before = plain64(sector);
        block(&Sha256::digest(&key), true, &mut before);
        for place in data.chunks_exact_mut(BLOCK) {
            let there: [u8; BLOCK] = (&*place).try_into().expect("a block");
            if encrypts {
                xor(place, &before);
                block(&key, true, place);
                before = (&*place).try_into().expect("a block");
            } else {
                block(&key, false, place);
                xor(place, &before);
                before = there;
            }
        }
    }
}

fn plain64(sector: u64) -> [u8; BLOCK] {
    u128::from(sector).to_le_bytes()
}

fn xor(place: &mut [u8], with: &[u8; BLOCK]) {
    for (byte, other) in place.iter_mut().zip(with) {
        *byte ^= other;
    }
}

/// One block of AES.
fn block(key: &[u8], encrypts: bool, place: &mut [u8]) {
    let place: &mut Array<u8, _> = place.try_into().expect("a block");
    match key.len() {
        16 => one(&Aes128::new_from_slice(key).expect("its length"), encrypts, place),
        _ => one(&Aes256::new_from_slice(key).expect("its length"), encrypts, place),
    }
}

fn one<C: BlockCipherEncrypt + BlockCipherDecrypt>(cipher: &C, encrypts: bool, place: &mut aes::cipher::Block<C>) {
    if encrypts {
        cipher.encrypt_block(place);
    } else {
        cipher.decrypt_block(place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encrypted_comes_back_and_depends_on_its_sector() {
        for (xts, long) in [(true, true), (true, false), (false, true), (false, false)] {
            let cipher = Cipher {
                xts,
                long,
                seed: 3,
                iv_offset: 5,
                unit: 2,
                discards: false,
            };
            let clear: Vec<u8> = vec![9; 4 * SECTOR];
            let mut data = clear.clone();
            cipher.change(true, 4, &mut data);
            assert_ne!(data[..2 * SECTOR], data[2 * SECTOR..]);
            let mut second = clear[2 * SECTOR..].to_vec();
            cipher.change(true, 6, &mut second);
            assert_eq!(second, data[2 * SECTOR..]);
            cipher.change(false, 4, &mut data);
            assert_eq!(data, clear);
        }
    }
}
