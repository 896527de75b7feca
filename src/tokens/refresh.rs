//! Refresh tokens: 256 random bits as text, of which only a hash is stored.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use blake2::Blake2b;
use blake2::digest::Digest;
use blake2::digest::consts::U32;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};

/// A refresh token: one of this program's, or a text that a client has sent.
#[derive(Debug)]
pub struct RefreshToken(pub SecretString);

impl RefreshToken {
    /// A new token.
    ///
    /// # Errors
    /// The machine has no randomness.
    pub fn random() -> Result<Self, &'static str> {
        let mut bits = [0; 32];
        let random = SystemRandom::new().fill(&mut bits);
        random.map_err(|_| "the machine has no randomness")?;
        Ok(Self(BASE64.encode(bits).into()))
    }

    /// The hash that is stored. It needs no salt and no slow function: nobody guesses 256 random bits.
    #[must_use]
    pub fn hash(&self) -> [u8; 32] {
        Blake2b::<U32>::digest(self.0.expose_secret()).into()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_256_bits_and_differ() {
        let [one, other] = [(), ()].map(|()| RefreshToken::random().unwrap());
        let text = one.0.expose_secret();
        assert_eq!(BASE64.decode(text).unwrap().len(), 32);
        assert_ne!(text, other.0.expose_secret());
        assert_ne!(one.hash(), other.hash());
        assert_eq!(one.hash(), RefreshToken(text.into()).hash());
    }

    #[test]
    fn a_token_is_not_printed() {
        let token = RefreshToken::random().unwrap();
        assert!(!format!("{token:?}").contains(token.0.expose_secret()));
    }
}
