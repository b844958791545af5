use super::*;

/// Row 5 stands ten times, rows 8 and 9 three times; the second sheet has nothing repeated.
fn shifts() -> Shifts {
    let stretch = |first, height, copies| Stretch {
        first,
        height,
        copies: Some(copies),
    };
    let shift = Shift {
        stretches: vec![stretch(5, 1, 10), stretch(8, 2, 3)],
        further: Vec::new(),
    };
    Shifts::new(vec![
        ("Data".to_owned(), shift),
        ("It's".to_owned(), Shift::default()),
    ])
}

#[test]
fn rows_below_a_list_move_down() {
    let shift = &shifts().sheets[0].1;
    let moved: Vec<(u32, u32)> = [4, 5, 6, 8, 9, 10]
        .map(|row| (shift.first(row).unwrap(), shift.last(row).unwrap()))
        .into();
    assert_eq!(
        moved,
        [(4, 4), (5, 14), (15, 15), (17, 21), (18, 22), (23, 23)]
    );
}

#[test]
fn ranges_grow_with_a_list() {
    let shift = &shifts().sheets[0].1;
    assert_eq!(
        shift.ranges("A5 B1:B5 C6:D9 E:E").unwrap(),
        "A5:A14 B1:B14 C15:D22 E:E"
    );
    assert_eq!(shift.ranges("A1 A1:A1").unwrap(), "A1 A1:A1");
    assert_eq!(shift.cell("B8").unwrap(), "B17");
    assert_eq!(shift.ranges("A6:A1048576").unwrap(), "A15:A1048576");
}

#[test]
fn a_range_over_some_rows_of_an_element_is_repeated() {
    let shift = &shifts().sheets[0].1;
    assert_eq!(
        shift.areas("B8 C9:D9 A8:B9 A5").unwrap(),
        "B17 B19 B21 C18:D18 C20:D20 C22:D22 A17:B22 A5:A14"
    );
}

#[test]
fn formulas_outside_a_list_follow_it() {
    let shifts = shifts();
    for (formula, expected) in [
        ("SUM(B5:B5)", "SUM(B5:B14)"),
        ("SUM($B$5:$B$5)/B6", "SUM($B$5:$B$14)/B15"),
        ("B5+B10", "B5+B23"),
        ("SUM(B8:B9)+SUM(5:5)", "SUM(B17:B22)+SUM(5:14)"),
        (
            "'It''s'!B6+data!B6+Other!B6",
            "'It''s'!B6+data!B15+Other!B6",
        ),
        ("SUM(B:B)", "SUM(B:B)"),
        ("SUM(B5)+B5", "SUM(B5:B14)+B5"),
        ("SUBTOTAL(9, $B$5)", "SUBTOTAL(9, $B$5:$B$14)"),
        (
            "ROUND(B5,2)+SUM(B5,1)+MYSUM(B5)",
            "ROUND(B5,2)+SUM(B5,1)+MYSUM(B5)",
        ),
        ("SUM(B6)", "SUM(B15)"),
    ] {
        assert_eq!(
            shifts.formula(formula, Place::outside(0)).unwrap(),
            expected
        );
    }
    let elsewhere = Place::outside(1);
    assert_eq!(
        shifts.formula("SUM(Data!B5:B5)+B6", elsewhere).unwrap(),
        "SUM(Data!B5:B14)+B6"
    );
}

/// What a formula of the list's row says in its third copy.
fn third(formula: &str) -> String {
    let place = Place::inside(0, Some(0));
    let parts = shifts().parts(formula, place).unwrap();
    parts
        .into_iter()
        .map(|part| match part {
            Part::Text(text) => text,
            Part::Row(offset) => (7 + offset).to_string(),
        })
        .collect()
}

#[test]
fn formulas_in_a_list_move_with_their_row() {
    for (formula, expected) in [
        ("B5*C5", "B7*C7"),
        ("$B5*C$2*C2", "$B7*C$2*C2"),
        ("B5/SUM(B$5:B$5)", "B7/SUM(B$5:B$14)"),
        ("SUM(B$5:B5)", "SUM(B$5:B7)"),
        ("D4+B5", "D6+B7"),
        ("B5/B6", "B7/B15"),
        ("SUM(B8:B9)", "SUM(B17:B22)"),
        ("SUM(A5:D5)", "SUM(A7:D7)"),
        ("VLOOKUP(A5,'It''s'!A5:B9,2)", "VLOOKUP(A7,'It''s'!A5:B9,2)"),
    ] {
        assert_eq!(third(formula), expected, "{formula}");
    }
}

#[test]
fn what_needs_an_unknown_number_of_rows_is_refused() {
    let mut shifts = shifts();
    shifts.sheets[0].1.stretches[0].copies = None;
    let place = Place::inside(0, Some(0));
    assert!(shifts.parts("B5*C2", place).is_ok());
    assert!(matches!(
        shifts.parts("B5*C6", place),
        Err(SheetError::Refused {
            code: "expected_rows_needed",
            ..
        })
    ));
}
