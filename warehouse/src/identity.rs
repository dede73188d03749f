//! One short word for content: equal words, equal content.

/// The first 64 bits of a hash, in hex: among a million contents two share a word with a chance of 1 in 37 million.
pub(crate) fn word(hasher: &blake3::Hasher) -> String {
    hasher.finalize().to_hex().chars().take(16).collect()
}

/// The word of texts one after the other; who needs to tell them apart puts something between.
pub(crate) fn word_of<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let mut hasher = blake3::Hasher::new();
    for text in texts {
        hasher.update(text.as_ref().as_bytes());
    }
    word(&hasher)
}
