//! A search in short texts.

/// The first of this byte. Most lines, and most cookies, are short, and a search that is made for long texts costs more to start than
/// it saves on them: the first words are looked at one by one.
pub(in crate::proxy) fn find(text: &[u8], byte: u8) -> Option<usize> {
    const WORDS: usize = 8;
    const ONES: u64 = 0x0101_0101_0101_0101;
    let (words, _) = text.as_chunks::<8>();
    for (index, word) in words.iter().take(WORDS).enumerate() {
        // A byte that equals it is zero now, and the lowest zero byte gets its high bit.
        let differs = u64::from_le_bytes(*word) ^ (ONES * u64::from(byte));
        let zeros = differs.wrapping_sub(ONES) & !differs & (ONES << 7);
        if zeros != 0 {
            return Some(index * 8 + zeros.trailing_zeros() as usize / 8);
        }
    }
    let looked = words.len().min(WORDS) * 8;
    memchr::memchr(byte, &text[looked..]).map(|offset| looked + offset)
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
