use super::*;
use proptest::prelude::*;

/// The references in a formula as they are written.
fn references(formula: &str) -> Vec<String> {
    pieces(formula)
        .iter()
        .filter_map(|piece| match piece {
            Piece::Text(_) => None,
            Piece::Reference(reference) => {
                let mut out = reference.prefix.to_owned();
                reference.first.write(&mut out);
                if let Some(last) = reference.last {
                    out.push(':');
                    last.write(&mut out);
                }
                Some(out)
            }
        })
        .collect()
}

#[test]
fn references_are_found_and_nothing_else() {
    for (formula, expected) in [
        ("SUM(B5:$C$9)*A1", vec!["B5:$C$9", "A1"]),
        ("LOG10(A1)+LOG", vec!["A1"]),
        (
            "'It''s A1'!B2+Sheet1!C$3:C4",
            vec!["'It''s A1'!B2", "Sheet1!C$3:C4"],
        ),
        ("\"A1 \"\"B2\"\"\"&C3", vec!["C3"]),
        ("Table1[[#This Row],[A1]]*B2+Table1[C3]", vec!["B2"]),
        ("5:7+$5:$7+B:B+$B:C", vec!["5:7", "$5:$7", "B:B", "$B:C"]),
        ("1E5+1.5E-3*A1-2", vec!["A1"]),
        ("#REF!+#N/A+Sheet1!#REF!+A1", vec!["A1"]),
        ("A1:INDEX(B1:B9,2)", vec!["A1", "B1:B9"]),
        ("First:Last!A1+B1", vec!["B1"]),
        ("[1]Sheet1!A1+B1", vec!["B1"]),
        ("总计!A1+数据", vec!["总计!A1"]),
        ("XFE1+A1048577+A0+AAAA1+TRUE", vec![]),
        ("IF(A1=\"x\",{1,2},B1#)", vec!["A1", "B1"]),
        (
            "_xlfn.XLOOKUP(A1,B1:B2,C1:C2)",
            vec!["A1", "B1:B2", "C1:C2"],
        ),
        ("A1%^-B1<>C1", vec!["A1", "B1", "C1"]),
    ] {
        assert_eq!(references(formula), expected, "{formula}");
    }
}

#[test]
fn a_shared_formula_moves_what_is_not_fixed() {
    assert_eq!(filled("A1+$A1+A$1+$A$1", 2, 1), "B3+$A3+B$1+$A$1");
    assert_eq!(filled("SUM(A1:B$2)+S!C:C", 1, 1), "SUM(B2:C$2)+S!D:D");
    assert_eq!(filled("A1", -1, 0), "#REF!");
}

#[test]
fn columns_have_names() {
    for (column, name) in [
        (1, "A"),
        (26, "Z"),
        (27, "AA"),
        (702, "ZZ"),
        (16_384, "XFD"),
    ] {
        assert_eq!(column_name(column), name);
        assert_eq!(column_of(name.as_bytes()), Some(column));
    }
}

proptest! {
    #[test]
    fn any_formula_stays_as_it_is(formula in "[A-C$1-9:!'\"\\[\\]#({E.+一 ]{0,40}|\\PC{0,40}") {
        let mut out = String::new();
        for piece in pieces(&formula) {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Reference(reference) => {
                    out.push_str(reference.prefix);
                    reference.first.write(&mut out);
                    if let Some(last) = reference.last {
                        out.push(':');
                        last.write(&mut out);
                    }
                }
            }
        }
        // Columns are written in capital letters.
        prop_assert_eq!(out.to_ascii_uppercase(), formula.to_ascii_uppercase());
    }
}
