use super::super::shift::Stretch;
use super::*;

/// Row 5 stands ten times.
fn shifts() -> Shifts {
    let stretch = Stretch {
        first: 5,
        height: 1,
        copies: Some(10),
    };
    let shift = Shift {
        stretches: vec![stretch],
        further: Vec::new(),
    };
    Shifts::new(vec![("S".to_owned(), shift)])
}

fn followed(text: &str) -> String {
    let shifts = shifts();
    let out = Follower::new(&shifts, 0).part(text).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn whatever_names_cells_follows() {
    for (text, expected) in [
        ("<dimension ref=\"A1:D6\"/>", "<dimension ref=\"A1:D15\"/>"),
        (
            "<selection activeCell=\"B6\" sqref=\"B6\"/>",
            "<selection activeCell=\"B15\" sqref=\"B15\"/>",
        ),
        (
            "<conditionalFormatting sqref=\"B5:C5\"><cfRule><formula>$B5&gt;SUM(B$5:B$5)</formula></cfRule>\
             </conditionalFormatting>",
            "<conditionalFormatting sqref=\"B5:C14\"><cfRule><formula>$B5&gt;SUM(B$5:B$14)</formula></cfRule>\
             </conditionalFormatting>",
        ),
        (
            "<x14:conditionalFormatting><xm:f>B5&gt;1</xm:f><xm:sqref>B5</xm:sqref></x14:conditionalFormatting>",
            "<x14:conditionalFormatting><xm:f>B5&gt;1</xm:f><xm:sqref>B5:B14</xm:sqref>\
             </x14:conditionalFormatting>",
        ),
        (
            "<dataValidation sqref=\"A5\"><formula1>$F$6:$F$9</formula1></dataValidation>",
            "<dataValidation sqref=\"A5:A14\"><formula1>$F$15:$F$18</formula1></dataValidation>",
        ),
        (
            "<rowBreaks><brk id=\"6\" max=\"9\"/></rowBreaks><colBreaks><brk id=\"6\"/></colBreaks>",
            "<rowBreaks><brk id=\"15\" max=\"9\"/></rowBreaks><colBreaks><brk id=\"6\"/></colBreaks>",
        ),
        (
            "<c:f>S!$B$5:$B$5</c:f><c:v>&amp;</c:v>",
            "<c:f>S!$B$5:$B$14</c:f><c:v>&amp;</c:v>",
        ),
        (
            "<definedName name=\"n\">S!$A$1:$D$6,'T'!$A$6</definedName>",
            "<definedName name=\"n\">S!$A$1:$D$15,'T'!$A$6</definedName>",
        ),
        (
            "<definedName name=\"n\">S!$B$5</definedName><f>S!B5</f>",
            "<definedName name=\"n\">S!$B$5:$B$14</definedName><f>S!B5</f>",
        ),
        (
            "<hyperlink ref=\"A6\" location=\"S!A6\" r:id=\"x&amp;\"/>",
            "<hyperlink ref=\"A15\" location=\"S!A15\" r:id=\"x&amp;\"/>",
        ),
        ("<other ref=\"A6\"/>", "<other ref=\"A6\"/>"),
    ] {
        assert_eq!(followed(text), expected);
    }
}

#[test]
fn drawings_keep_their_size_or_stretch_as_they_are_told() {
    let anchor = |edit_as: &str, from: u32, to: u32| {
        format!(
            "<xdr:twoCellAnchor{edit_as}><xdr:from><xdr:row>{from}</xdr:row></xdr:from><xdr:to>\
             <xdr:row>{to}</xdr:row></xdr:to></xdr:twoCellAnchor>"
        )
    };
    for (edit_as, before, after) in [
        ("", (1, 9), (1, 18)),
        ("", (6, 9), (15, 18)),
        (" editAs=\"oneCell\"", (1, 9), (1, 9)),
        (" editAs=\"absolute\"", (6, 9), (6, 9)),
        ("", (4, 4), (4, 4)),
    ] {
        assert_eq!(
            followed(&anchor(edit_as, before.0, before.1)),
            anchor(edit_as, after.0, after.1)
        );
    }
}

#[test]
fn notes_follow_in_both_places() {
    let text = "<x:Anchor>\n 1, 15, 6, 2, 3, 4, 9, 1</x:Anchor><br><x:Row>6</x:Row>";
    let out = vml(text, &shifts().sheets[0].1).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        "<x:Anchor>1, 15, 15, 2, 3, 4, 18, 1</x:Anchor><br><x:Row>15</x:Row>"
    );
}
