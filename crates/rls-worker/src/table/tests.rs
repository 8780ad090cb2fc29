use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;

use super::*;

fn cells(bytes: &[u8]) -> Vec<(u64, Vec<String>)> {
    let table = Table::open(bytes, &Limits::default()).unwrap();
    let row = |row: Result<Row, FileError>| {
        let row = row.unwrap();
        (row.number, row.cells().map(str::to_owned).collect())
    };
    table.rows().map(row).collect()
}

fn code(bytes: &[u8]) -> String {
    let small = Limits { bytes: 1 << 20, unpacked: 1 << 20, rows: 100, columns: 50 };
    match Table::open(bytes, &small) {
        Err(error) => error.code,
        Ok(table) => table.rows().find_map(Result::err).map_or("ok".to_owned(), |error| error.code),
    }
}

/// A workbook with one sheet of these rows of XML.
fn workbook(rows: &str) -> Vec<u8> {
    let parts = [
        ("[Content_Types].xml", r#"<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/></Types>"#.to_owned()),
        ("_rels/.rels", r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>"#.to_owned()),
        ("xl/workbook.xml", r#"<?xml version="1.0"?><workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>"#.to_owned()),
        ("xl/_rels/workbook.xml.rels", r#"<?xml version="1.0"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#.to_owned()),
        ("xl/worksheets/sheet1.xml", format!(r#"<?xml version="1.0"?><worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{rows}</sheetData></worksheet>"#)),
    ];
    archive(&parts)
}

fn archive(parts: &[(&str, String)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in parts {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn a_row_knows_its_own_line() {
    let found = cells(b"a,b\n\n\"x\ny\",2\n,\nz,3\n");
    let numbers: Vec<u64> = found.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [1, 3, 6], "blank lines, blank rows and line breaks in cells count");
    assert_eq!(found[1].1, ["x\ny", "2"]);
    let of_windows = cells(b"a,b\r\n\r\n\"x\r\ny\",2\r\n,\r\nz,3\r\n");
    assert_eq!(of_windows.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 3, 6]);
}

#[test]
fn delimiters_marks_and_encodings() {
    assert_eq!(cells(b"a;b\n1,5;2\n")[1].1, ["1,5", "2"]);
    assert_eq!(cells(b"a\tb\n1\t2\n")[1].1, ["1", "2"]);
    assert_eq!(cells(b"\xEF\xBB\xBFa,b\n")[0].1, ["a", "b"]);
    assert_eq!(cells(b"\xFF\xFEa\0,\0b\0\n\0")[0].1, ["a", "b"]);
    assert_eq!(cells(b"caf\xE9,b\n")[0].1, ["caf\u{e9}", "b"]);
    assert!(Table::open(b"caf\xE9,b\n", &Limits::default()).unwrap().encoding_guessed);
    assert!(!Table::open("caf\u{e9},b\n".as_bytes(), &Limits::default()).unwrap().encoding_guessed);
}

#[test]
fn a_spreadsheet_is_read_by_its_magic_bytes() {
    let rows = r#"<row r="1"><c r="A1" t="inlineStr"><is><t>sku, "x"</t></is></c><c r="C1"><v>320.5</v></c></row>
        <row r="4"><c r="B4" t="b"><v>1</v></c><c r="C4"><f>1+1</f><v>794600000014</v></c></row>"#;
    let found = cells(&workbook(rows));
    assert_eq!(found[0], (1, vec!["sku, \"x\"".into(), String::new(), "320.5".into()]));
    assert_eq!(found[1], (4, vec![String::new(), "true".into(), "794600000014".into()]));
}

#[test]
fn hostile_files_are_refused_with_a_code() {
    let book = workbook(r#"<row r="1"><c r="A1"><v>1</v></c></row>"#);
    assert_eq!(code(&book), "ok");
    assert_eq!(code(&book[..book.len() / 2]), "FILE_DAMAGED");
    assert_eq!(code(b" \n "), "FILE_EMPTY");
    assert_eq!(code(b"%PDF-1.7 ..."), "FORMAT_UNSUPPORTED");
    assert_eq!(code(b"\x00\x01\x02\x03\x04\x05"), "FORMAT_UNSUPPORTED");
    assert_eq!(code(&archive(&[("a.txt", "x".to_owned())])), "FORMAT_UNSUPPORTED");
    assert_eq!(code(&vec![b'a'; 2 << 20]), "FILE_TOO_LARGE");
    assert_eq!(code("a,b\n".repeat(101).as_bytes()), "TOO_MANY_ROWS");
    assert_eq!(code(&workbook("")), "FILE_EMPTY");
    let wide = workbook(r#"<row r="1"><c r="XFD1"><v>1</v></c></row>"#);
    assert_eq!(code(&wide), "TOO_MANY_COLUMNS");
    let disordered = workbook(r#"<row r="2"><c r="A2"><v>1</v></c></row><row r="1"><c r="A1"><v>1</v></c></row>"#);
    assert_eq!(code(&disordered), "FILE_DAMAGED");
    let far = workbook(r#"<row r="1"><c r="A99999999999999"><v>1</v></c></row>"#);
    assert_eq!(code(&far), "FILE_DAMAGED");
}

#[test]
fn a_zip_bomb_is_refused_before_it_is_read() {
    let bomb = workbook(&" ".repeat(8 << 20));
    assert!(bomb.len() < 64 << 10, "it packs well: {}", bomb.len());
    assert_eq!(code(&bomb), "FILE_TOO_LARGE");
}

#[test]
fn a_header_is_found_by_name_and_alias() {
    const COLUMNS: &[Column] = &[Column::required("sku").or(&["Supplier Part Number"]), Column::optional("title")];
    let header = |text: &str| {
        let table = Table::open(text.as_bytes(), &Limits::default()).unwrap();
        let row = table.rows().next().unwrap().unwrap();
        Header::find(&row, COLUMNS).map(|header| (header.place("sku"), header.place("title")))
    };
    assert_eq!(header("x, SKU* ,Title").unwrap(), (Some(1), Some(2)));
    assert_eq!(header("supplier part number").unwrap(), (Some(0), None));
    assert_eq!(header("title").unwrap_err().code, "HEADER_MISSING:sku");
    assert_eq!(header("sku,sku").unwrap_err().code, "HEADER_DUPLICATE:sku");
    assert_eq!(header("sku,title,TITLE").unwrap_err().code, "HEADER_DUPLICATE:title");
}

#[test]
fn bad_cells_are_named_by_row_and_column() {
    let long = "x".repeat(30_000);
    let text = format!("sku,day,cost\na\0b,2026-02-30,1e99\n{long},2/17/2026,\"1,234.5\"\n");
    let table = Table::open(text.as_bytes(), &Limits::default()).unwrap();
    let rows: Vec<Row> = table.rows().map(Result::unwrap).collect();
    let columns = [Column::required("sku"), Column::optional("day"), Column::optional("cost")];
    let header = Header::find(&rows[0], &columns).unwrap();

    let mut bad = Fields::new(&header, &rows[1]);
    assert_eq!((bad.day("day", Severity::Warn), bad.figure("cost", "COST_INVALID")), (None, None));
    let codes: Vec<_> = bad.into_errors().into_iter().map(|e| (e.row_number, e.column, e.code, e.severity)).collect();
    assert_eq!(
        codes,
        [
            (2, "#1".to_owned(), "TEXT_INVALID", Severity::Error),
            (2, "day".to_owned(), "DATE_INVALID", Severity::Warn),
            (2, "cost".to_owned(), "COST_INVALID", Severity::Error),
        ]
    );
    let mut good = Fields::new(&header, &rows[2]);
    assert_eq!(good.day("day", Severity::Error), chrono::NaiveDate::from_ymd_opt(2026, 2, 17));
    assert_eq!(good.figure("cost", "COST_INVALID"), "1234.5".parse().ok());
    let errors = good.into_errors();
    assert_eq!((errors.len(), errors[0].code, errors[0].raw_value.len()), (1, "CELL_TOO_LONG", 200));
}

#[test]
fn a_file_is_refused_when_a_fifth_of_it_is_bad() {
    let settle = |rows, rejected| Budget { rows, rejected }.settle().map_err(|error| error.code);
    assert_eq!(settle(12, 10), Ok(()));
    assert_eq!(settle(55, 11), Ok(()));
    assert_eq!(settle(54, 11), Err("TOO_MANY_ROW_ERRORS".to_owned()));
}
