//! Whether Azure takes a public key: an Ed25519 key that is a point of its curve, or an RSA key of 2048 bits or more.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ed25519_dalek::VerifyingKey;

/// The fewest bits of an RSA key.
const LEAST_BITS: usize = 2048;

pub(super) fn is_valid(key: &str) -> bool {
    let mut words = key.split_whitespace();
    let (Some(kind), Some(blob)) = (words.next(), words.next()) else { return false };
    let Ok(blob) = STANDARD.decode(blob) else { return false };
    let mut rest = blob.as_slice();
    if part(&mut rest) != Some(kind.as_bytes()) {
        return false;
    }
    match kind {
        "ssh-ed25519" => {
            let point = part(&mut rest).and_then(|point| <[u8; 32]>::try_from(point).ok());
            rest.is_empty() && point.is_some_and(|point| VerifyingKey::from_bytes(&point).is_ok())
        }
        "ssh-rsa" => {
            let exponent = part(&mut rest);
            let modulus = part(&mut rest).map(|bytes| bytes.strip_prefix(&[0]).unwrap_or(bytes));
            exponent.is_some()
                && rest.is_empty()
                && modulus.is_some_and(|bytes| bytes.len() * 8 >= LEAST_BITS)
        }
        _ => false,
    }
}

/// The next part of a key's blob: its length in four bytes, and then the part (RFC 4251, section 5).
fn part<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (length, after) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let (part, after) = after.split_at_checked(length)?;
    *rest = after;
    Some(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key with these parts.
    fn key(kind: &str, parts: &[&[u8]]) -> String {
        let parts = [&[kind.as_bytes()], parts].concat();
        let blob = parts.iter().flat_map(|part| [&(part.len() as u32).to_be_bytes()[..], part].concat());
        format!("{kind} {} runner", STANDARD.encode(blob.collect::<Vec<u8>>()))
    }

    #[test]
    fn about_half_of_all_bytes_are_no_point_of_the_curve() {
        let valid = (0..=255_u8).filter(|byte| is_valid(&key("ssh-ed25519", &[&[*byte; 32]]))).count();
        assert!((80..176).contains(&valid), "{valid} of 256");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let base = [0x58_u8, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66, 0x66];
        let point: Vec<u8> = base.iter().copied().chain([0x66; 24]).collect();
        let large = [&[0][..], &[0xc3; 256]].concat();
        for (what, key, expected) in [
            ("the base point", key("ssh-ed25519", &[&point]), true),
            ("too short", key("ssh-ed25519", &[&point[1..]]), false),
            ("more than a key", key("ssh-ed25519", &[&point, b"x"]), false),
            ("RSA of 2048 bits", key("ssh-rsa", &[&[1, 0, 1], &large]), true),
            ("RSA of 1024 bits", key("ssh-rsa", &[&[1, 0, 1], &large[..129]]), false),
            ("a kind that Azure does not take", key("ecdsa-sha2-nistp256", &[&point]), false),
            ("another kind inside", key("ssh-ed25519", &[&point]).replace("ssh-ed25519 ", "ssh-rsa "), false),
            ("no base64", "ssh-ed25519 %%%".to_owned(), false),
            ("one word", "ssh-ed25519".to_owned(), false),
        ] {
            assert_eq!(is_valid(&key), expected, "{what}");
        }
    }
}
