//! Traditional characters as simplified ones, character by character. The table is made from OpenCC's
//! `TSCharacters.txt` (<https://github.com/BYVoid/OpenCC>, Apache-2.0): the first choice for each character.

/// Pairs of a traditional and its simplified character, three bytes each, by the traditional one.
const TABLE: &[u8] = include_bytes!("simplified.txt");
const CHARACTER_BYTES: usize = 3;
const PAIR_BYTES: usize = 2 * CHARACTER_BYTES;

/// The simplified form, or the character itself.
pub fn simplified(character: char) -> char {
    if character.len_utf8() != CHARACTER_BYTES {
        return character;
    }
    let mut wanted = [0; CHARACTER_BYTES];
    character.encode_utf8(&mut wanted);
    let (mut low, mut high) = (0, TABLE.len() / PAIR_BYTES);
    while low < high {
        let middle = low.midpoint(high);
        let pair = &TABLE[middle * PAIR_BYTES..(middle + 1) * PAIR_BYTES];
        let (traditional, simplified) = pair.split_at(CHARACTER_BYTES);
        match traditional.cmp(&wanted) {
            std::cmp::Ordering::Less => low = middle + 1,
            std::cmp::Ordering::Greater => high = middle,
            std::cmp::Ordering::Equal => {
                let text = std::str::from_utf8(simplified).ok();
                return text
                    .and_then(|text| text.chars().next())
                    .unwrap_or(character);
            }
        }
    }
    character
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traditional_characters_become_simplified_ones() {
        let text: String = "機器學習與資料庫,臺灣後裡麵"
            .chars()
            .map(simplified)
            .collect();
        assert_eq!(text, "机器学习与资料库,台湾后里面");
        assert_eq!(simplified('a'), 'a');
        assert_eq!(simplified('\u{1F600}'), '\u{1F600}');
    }

    #[test]
    fn the_table_is_sorted_and_no_simplified_character_is_traditional_too() {
        let text = std::str::from_utf8(TABLE).unwrap();
        assert!(text.chars().all(|character| character.len_utf8() == 3));
        let traditional: Vec<char> = text.chars().step_by(2).collect();
        assert!(traditional.is_sorted_by(|a, b| a < b));
        assert!(traditional.len() > 2_500);
        for character in text.chars().skip(1).step_by(2) {
            assert_eq!(simplified(character), character);
        }
    }
}
