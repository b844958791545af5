use super::*;

#[test]
fn a_target_is_a_part() {
    for (from, target, expected) in [
        ("", "xl/workbook.xml", "xl/workbook.xml"),
        ("xl/workbook.xml", "worksheets/a.xml", "xl/worksheets/a.xml"),
        ("xl/worksheets/a.xml", "../tables/t.xml", "xl/tables/t.xml"),
        ("xl/worksheets/a.xml", "/xl/t.xml", "xl/t.xml"),
        ("a.xml", "../../b.xml", "b.xml"),
    ] {
        assert_eq!(resolved(from, target), expected);
    }
}

#[test]
fn a_part_has_a_list_of_relationships() {
    for (part, list) in [
        ("", "_rels/.rels"),
        ("xl/workbook.xml", "xl/_rels/workbook.xml.rels"),
        ("a.xml", "_rels/a.xml.rels"),
    ] {
        assert_eq!(relations_name(part), list);
        assert_eq!(relations_of(list).unwrap(), part);
    }
}
