//! A search in short texts.

/// The first of this byte. Most lines, and most cookies, are short, and a search that is made for long texts costs more to start than
/// it saves on them: the first words are looked at one by one.
pub(in crate::proxy) fn find(text: &[u8], byte: u8) -> Option<usize> {
    const WORDS: usize = 8;
    let (words, _) = text.as_chunks::<8>();
    for (index, word) in words.iter().take(WORDS).enumerate() {
        if let Some(offset) = in_word(*word, byte) {
            return Some(index * 8 + offset);
        }
    }
    let looked = words.len().min(WORDS) * 8;
    if text.len() - looked < 8 {
        return find_last(text, looked, byte);
    }
    memchr::memchr(byte, &text[looked..]).map(|offset| looked + offset)
}

/// The same where only fewer than eight bytes were not looked at: the last eight are a word.
fn find_last(text: &[u8], looked: usize, byte: u8) -> Option<usize> {
    match text.last_chunk::<8>() {
        Some(word) => in_word(*word, byte).map(|offset| text.len() - 8 + offset),
        None => text[looked..].iter().position(|other| *other == byte).map(|offset| looked + offset),
    }
}

fn in_word(word: [u8; 8], byte: u8) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    // A byte that equals it is zero now, and the lowest zero byte gets its high bit.
    let differs = u64::from_le_bytes(word) ^ (ONES * u64::from(byte));
    let zeros = differs.wrapping_sub(ONES) & !differs & (ONES << 7);
    (zeros != 0).then(|| zeros.trailing_zeros() as usize / 8)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_found_wherever_it_stands() {
        for length in 0..100 {
            let text: Vec<u8> = (0..length).map(|at| b"\x00;<>\xbd\xff"[at % 6]).collect();
            assert_eq!(find(&text, b'='), None);
            for at in 0..length {
                let mut text = text.clone();
                text[at] = b'=';
                assert_eq!(find(&text, b'='), Some(at), "of {length}");
                text[length - 1] = b'=';
                assert_eq!(find(&text, b'='), Some(at), "of {length}, and one at the end");
            }
        }
    }
}
