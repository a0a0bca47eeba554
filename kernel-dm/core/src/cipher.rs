//! Ciphers in the modes that disks use: sectors in, sectors out.
//!
//! [`SectorCipher`] is what target crypt needs, and a host says who makes it ([`crate::host::Host::CIPHER`]): [`new`] does
//! with the `aes` crate, a kernel can put AES of its own behind the same trait.

use alloc::boxed::Box;

use aes::cipher::array::Array;
use aes::cipher::array::typenum::U16;
use aes::cipher::{
    BlockCipherDecrypt, BlockCipherEncBackend, BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, KeyInit,
};
use aes::{Aes128, Aes192, Aes256};

/// Bytes of a cipher's block, and of an IV.
pub const BLOCK: usize = 16;

/// An IV, or whatever a mode makes of it.
pub type Iv = [u8; BLOCK];

type Block = Array<u8, U16>;

/// A cipher with its mode and its key, which is wiped on drop.
pub trait SectorCipher: Send + Sync {
    /// Encrypts sectors in place. They are as long as each other, whole blocks, and as many as the IVs, which are used up.
    fn encrypt(&self, ivs: &mut [Iv], data: &mut [u8]);

    /// The reverse of [`SectorCipher::encrypt`].
    fn decrypt(&self, ivs: &mut [Iv], data: &mut [u8]);
}

/// What a cipher can be chosen for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// IEEE 1619, whole blocks only; two keys, one behind the other.
    Xts,
    /// Each block with the one before it, the first with the IV.
    Cbc,
    /// Each block for itself; no IV.
    Ecb,
}

/// Makes AES in a mode; `None` for a key of a length that it does not have. It may sleep.
pub type New = fn(Mode, &[u8]) -> Option<Box<dyn SectorCipher>>;

/// See [`New`]; with the `aes` crate.
#[must_use]
pub fn new(mode: Mode, key: &[u8]) -> Option<Box<dyn SectorCipher>> {
    match (mode, key.len()) {
        (Mode::Xts, 32) => xts::<Aes128>(key),
        (Mode::Xts, 48) => xts::<Aes192>(key),
        (Mode::Xts, 64) => xts::<Aes256>(key),
        (Mode::Cbc, 16) => Some(Box::new(Cbc(Aes128::new_from_slice(key).ok()?))),
        (Mode::Cbc, 24) => Some(Box::new(Cbc(Aes192::new_from_slice(key).ok()?))),
        (Mode::Cbc, 32) => Some(Box::new(Cbc(Aes256::new_from_slice(key).ok()?))),
        (Mode::Ecb, 16) => Some(Box::new(Ecb(Aes128::new_from_slice(key).ok()?))),
        (Mode::Ecb, 24) => Some(Box::new(Ecb(Aes192::new_from_slice(key).ok()?))),
        (Mode::Ecb, 32) => Some(Box::new(Ecb(Aes256::new_from_slice(key).ok()?))),
        _ => None,
    }
}

/// The cipher that does nothing.
#[derive(Debug)]
pub struct Null;

impl SectorCipher for Null {
    fn encrypt(&self, _: &mut [Iv], _: &mut [u8]) {}

    fn decrypt(&self, _: &mut [Iv], _: &mut [u8]) {}
}

/// A block cipher of the RustCrypto project.
trait Blocks: BlockSizeUser<BlockSize = U16> + BlockCipherEncrypt + BlockCipherDecrypt + KeyInit {}

impl<C: BlockSizeUser<BlockSize = U16> + BlockCipherEncrypt + BlockCipherDecrypt + KeyInit> Blocks for C {}

/// The blocks of some bytes; what is no whole block is left out.
fn blocks(data: &mut [u8]) -> &mut [Block] {
    Array::slice_as_chunks_mut(data).0
}

/// The bytes of each of `count` sectors.
fn sectors(data: &mut [u8], count: usize) -> impl Iterator<Item = &mut [u8]> {
    let size = data.len().checked_div(count).unwrap_or(0).max(1);
    data.chunks_exact_mut(size)
}

struct Xts<C> {
    data: C,
    tweak: C,
}

fn xts<C: Blocks + Send + Sync + 'static>(key: &[u8]) -> Option<Box<dyn SectorCipher>> {
    let (data, tweak) = key.split_at(key.len() / 2);
    Some(Box::new(Xts {
        data: C::new_from_slice(data).ok()?,
        tweak: C::new_from_slice(tweak).ok()?,
    }))
}

/// Blocks that are done together.
const RUN: usize = 32;

impl<C: Blocks> Xts<C> {
    /// Does `cipher` to all blocks, each with its tweak before and after.
    #[inline]
    fn apply(&self, ivs: &mut [Iv], data: &mut [u8], cipher: impl Fn(&C, &mut [Block])) {
        let (tweaks, _) = Block::slice_as_chunks_mut(ivs.as_flattened_mut());
        self.tweak.encrypt_blocks(tweaks);
        for (sector, iv) in sectors(data, ivs.len()).zip(ivs.iter()) {
            let mut tweak = u128::from_le_bytes(*iv);
            for run in blocks(sector).chunks_mut(RUN) {
                let mut tweaks = [0; RUN];
                for (block, kept) in run.iter_mut().zip(&mut tweaks) {
                    *kept = tweak;
                    xor(block, tweak);
                    // Times x in GF(2^128), without a branch.
                    let carry = 0u128.wrapping_sub(tweak >> 127) & 0x87;
                    tweak = tweak << 1 ^ carry;
                }
                cipher(&self.data, run);
                for (block, &tweak) in run.iter_mut().zip(&tweaks) {
                    xor(block, tweak);
                }
            }
        }
    }
}

#[inline]
fn xor(block: &mut Block, value: u128) {
    let bytes: &mut [u8; BLOCK] = block.as_mut();
    *bytes = (u128::from_le_bytes(*bytes) ^ value).to_le_bytes();
}

impl<C: Blocks + Send + Sync> SectorCipher for Xts<C> {
    fn encrypt(&self, ivs: &mut [Iv], data: &mut [u8]) {
        self.apply(ivs, data, C::encrypt_blocks);
    }

    fn decrypt(&self, ivs: &mut [Iv], data: &mut [u8]) {
        self.apply(ivs, data, C::decrypt_blocks);
    }
}

struct Cbc<C>(C);

/// Sectors that are encrypted in step: a block can only be encrypted when the one before it is, so that the processor,
/// which takes several at a time, needs them from several sectors.
const LANES: usize = 8;

/// What is to be encrypted; the sectors are of `size` blocks.
struct CbcEncryption<'a> {
    size: usize,
    ivs: &'a mut [Block],
    data: &'a mut [Block],
}

impl BlockSizeUser for CbcEncryption<'_> {
    type BlockSize = U16;
}

impl BlockCipherEncClosure for CbcEncryption<'_> {
    #[inline(always)]
    fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
        for (last, sectors) in self.ivs.chunks_mut(LANES).zip(self.data.chunks_mut(LANES * self.size)) {
            for place in 0..self.size {
                for (last, block) in last.iter_mut().zip(sectors.iter().skip(place).step_by(self.size)) {
                    xor(last, u128::from_le_bytes((*block).into()));
                }
                let (full, rest) = Array::slice_as_chunks_mut(last);
                for blocks in full {
                    backend.encrypt_par_blocks_inplace(blocks);
                }
                for block in rest {
                    backend.encrypt_block_inplace(block);
                }
                for (last, block) in last.iter().zip(sectors.iter_mut().skip(place).step_by(self.size)) {
                    *block = *last;
                }
            }
        }
    }
}

impl<C: Blocks + Send + Sync> SectorCipher for Cbc<C> {
    fn encrypt(&self, ivs: &mut [Iv], data: &mut [u8]) {
        let (ivs, _) = Block::slice_as_chunks_mut(ivs.as_flattened_mut());
        let data = blocks(data);
        let size = data.len().checked_div(ivs.len()).unwrap_or(0);
        if size > 0 {
            self.0.encrypt_with_backend(CbcEncryption { size, ivs, data });
        }
    }

    fn decrypt(&self, ivs: &mut [Iv], data: &mut [u8]) {
        for (sector, iv) in sectors(data, ivs.len()).zip(ivs.iter()) {
            let mut last = u128::from_le_bytes(*iv);
            for run in blocks(sector).chunks_mut(RUN) {
                let mut before = [0; RUN];
                for (block, kept) in run.iter().zip(&mut before) {
                    *kept = core::mem::replace(&mut last, u128::from_le_bytes((*block).into()));
                }
                self.0.decrypt_blocks(run);
                for (block, &before) in run.iter_mut().zip(&before) {
                    xor(block, before);
                }
            }
        }
    }
}

struct Ecb<C>(C);

impl<C: Blocks + Send + Sync> SectorCipher for Ecb<C> {
    fn encrypt(&self, _: &mut [Iv], data: &mut [u8]) {
        self.0.encrypt_blocks(blocks(data));
    }

    fn decrypt(&self, _: &mut [Iv], data: &mut [u8]) {
        self.0.decrypt_blocks(blocks(data));
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn unhex(text: &str) -> Vec<u8> {
        let digits: Vec<u8> = text
            .bytes()
            .filter(u8::is_ascii_hexdigit)
            .map(|byte| u8::try_from(char::from(byte).to_digit(16).unwrap()).unwrap())
            .collect();
        digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
    }

    fn check(mode: Mode, key: &str, iv: &str, plain: &[u8], encrypted: &str) {
        let cipher = new(mode, &unhex(key)).unwrap();
        let mut iv_bytes = unhex(iv);
        iv_bytes.resize(BLOCK, 0);
        let iv: Iv = iv_bytes.try_into().unwrap();
        let mut data = plain.to_vec();
        cipher.encrypt(&mut [iv], &mut data);
        let wanted = unhex(encrypted);
        assert_eq!(data[..wanted.len()], wanted);
        cipher.decrypt(&mut [iv], &mut data);
        assert_eq!(data, plain);
    }

    /// IEEE 1619-2007, annex B, vectors 1, 2 and 4 (the beginning of its 512 bytes).
    #[test]
    fn xts_is_that_of_ieee_1619() {
        check(
            Mode::Xts,
            "00000000000000000000000000000000 00000000000000000000000000000000",
            "00",
            &[0; 32],
            "917cf69ebd68b2ec9b9fe9a3eadda692cd43d2f59598ed858c02c2652fbf922e",
        );
        check(
            Mode::Xts,
            "11111111111111111111111111111111 22222222222222222222222222222222",
            "3333333333",
            &[0x44; 32],
            "c454185e6a16936e39334038acef838bfb186fff7480adc4289382ecd6d394f0",
        );
        let counted: Vec<u8> = (0..=255).chain(0..=255).collect();
        check(
            Mode::Xts,
            "27182818284590452353602874713526 31415926535897932384626433832795",
            "00",
            &counted,
            "27a7479befa1d476489f308cd4cfa6e2a96e4bbe3208ff25287dd3819616e89c
             c78cf7f5e543445f8333d8fa7f56000005279fa5d8b5e4ad40e736ddb4d35412",
        );
    }

    /// NIST SP 800-38A, F.2 and F.1.
    #[test]
    fn cbc_and_ecb_are_those_of_nist() {
        let plain = unhex("6bc1bee22e409f96e93d7e117393172a ae2d8a571e03ac9c9eb76fac45af8e51");
        let iv = "000102030405060708090a0b0c0d0e0f";
        let keys = [
            "2b7e151628aed2a6abf7158809cf4f3c",
            "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
            "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
        ];
        let cbc = [
            "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2",
            "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a",
            "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d",
        ];
        let ecb = [
            "3ad77bb40d7a3660a89ecaf32466ef97f5d3d58503b9699de785895a96fdbaaf",
            "bd334f1d6e45f25ff712a214571fa5cc974104846d0ad3ad7734ecb3ecee4eef",
            "f3eed1bdb5d2a03c064b5a7e3db181f8591ccb10d410ed26dc5ba74a31362870",
        ];
        for index in 0..3 {
            check(Mode::Cbc, keys[index], iv, &plain, cbc[index]);
            check(Mode::Ecb, keys[index], iv, &plain, ecb[index]);
        }
    }

    #[test]
    fn only_keys_of_the_right_length() {
        for length in 0..80 {
            let key = alloc::vec![7; length];
            assert_eq!(
                new(Mode::Xts, &key).is_some(),
                [32, 48, 64].contains(&length),
                "{length}"
            );
            for mode in [Mode::Cbc, Mode::Ecb] {
                assert_eq!(new(mode, &key).is_some(), [16, 24, 32].contains(&length), "{length}");
            }
        }
    }

    #[test]
    fn many_sectors_are_each_done_for_themselves() {
        for mode in [Mode::Xts, Mode::Cbc] {
            let cipher = new(mode, &unhex(&"0123456789abcdef".repeat(4))).unwrap();
            for (size, count) in [
                (512, 1),
                (512, 3),
                (1024, 5),
                (512, 8),
                (2048, 9),
                (512, 21),
                (4096, 32),
            ] {
                let data: Vec<u8> = (0..size * usize::from(count))
                    .map(|index| index.to_le_bytes()[0])
                    .collect();
                let ivs: Vec<Iv> = (0..count).map(|index| [index; BLOCK]).collect();
                let mut together = data.clone();
                cipher.encrypt(&mut ivs.clone(), &mut together);
                let mut single = data.clone();
                for (sector, iv) in single.chunks_mut(size).zip(&ivs) {
                    cipher.encrypt(&mut [*iv], sector);
                }
                assert_eq!(together, single, "{mode:?}, {count} of {size}");
                cipher.decrypt(&mut ivs.clone(), &mut together);
                assert_eq!(together, data, "{mode:?}, {count} of {size}");
            }
        }
    }
}
