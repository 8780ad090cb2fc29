//! Whatever bytes are handed in: a code, never a panic, and no more rows than allowed.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rls_worker::table::{Fields, FileError, Header, Limits, Row, Table};
use rls_worker::workers::handlers::sima_validation::Payload;
use rls_worker::{catalog, long_samples, orders, samples, ship};

const LIMITS: Limits = Limits { bytes: 1 << 20, unpacked: 1 << 20, rows: 500, columns: 64 };

/// Reads a file as every lane would, and says how many rows that were.
fn read(bytes: &[u8]) -> usize {
    let Ok(table) = Table::open(bytes, &LIMITS) else { return 0 };
    let rows: Vec<Result<Row, FileError>> = table.rows().collect();
    let Some(Ok(first)) = rows.first() else { return 0 };
    let today = samples::DAY;
    if let Ok(header) = Header::find(first, catalog::row::COLUMNS) {
        rows.iter().flatten().for_each(|row| drop(catalog::row::product(&mut Fields::new(&header, row))));
    }
    if let Ok(header) = Header::find(first, orders::row::COLUMNS) {
        rows.iter().flatten().for_each(|row| drop(orders::row::line(&mut Fields::new(&header, row), today)));
    }
    match ship::layout::Layout::of(&table) {
        Ok(ship::layout::Layout::Agreement(header)) => {
            if let Ok(agreements) = ship::carrier_agreement_import::read(&table, &header) {
                assert!(!agreements.is_empty());
            }
        }
        Ok(ship::layout::Layout::Overrides(header)) => {
            if let Ok(overrides) = ship::override_import::read(&table, &header) {
                assert!(!overrides.is_empty());
            }
        }
        Ok(layout) => layout.rows(&table, &ship::charge_codes::ChargeCodes::default()).flatten().for_each(|row| {
            row.items.iter().for_each(|charge| assert_eq!(charge.fingerprint().len(), 64));
            row.errors
                .iter()
                .for_each(|error| assert!(error.raw_value.chars().count() <= 200 && !error.raw_value.contains('\0')));
        }),
        Err(_) => {}
    }
    rows.len()
}

/// A sample as the only sheet of a workbook, stored as it is, so that a changed byte is a changed text and not only a wrong checksum.
fn workbook(text: &str) -> Vec<u8> {
    long_samples::workbook(text, zip::CompressionMethod::Stored).unwrap()
}

/// One file of every layout.
fn sample() -> impl Strategy<Value = String> {
    let written = [samples::CATALOG, samples::ORDERS, samples::AGREEMENT, samples::SHIP].map(str::to_owned);
    let made = [long_samples::fedex(3), long_samples::ups(3), long_samples::ups(3).replace(',', ";")];
    prop::sample::select([&written[..], &made].concat())
}

/// Cells that have made trouble somewhere.
fn cell() -> impl Strategy<Value = String> {
    const KNOWN: &[&str] = &[
        "",
        "\0",
        "=cmd|'/c calc'!A1",
        "1e308",
        "-1e-308",
        "999999999.9999999",
        "NaN",
        "\u{feff}",
        "\"",
        "\"\"\"",
        "2026-02-30",
        "99999999",
        "0",
        "-0",
        "\\N",
        "{\"a\":1e999}",
        "{\"a\":\"\\u0000\"}",
        "7.9E+11",
        "\u{202e}x",
        "💥",
    ];
    prop_oneof![prop::sample::select(KNOWN).prop_map(str::to_owned), ".{0,40}"]
}

#[test]
fn the_samples_are_read_as_text_and_as_workbooks() {
    for (sample, rows) in [(samples::CATALOG, 6), (samples::ORDERS, 6), (samples::AGREEMENT, 10), (samples::SHIP, 6)] {
        assert_eq!(read(sample.as_bytes()), rows);
        assert_eq!(read(&workbook(sample)), rows);
    }
}

/// What the lanes may take, and no more: a cell of ten megabytes is one row that is refused.
#[test]
fn a_huge_cell_is_refused_by_its_row_and_place() {
    let huge = "x".repeat(10 << 20);
    let text = format!("sku,title\nA,{huge}\nB,b\n");
    for bytes in [text.clone().into_bytes(), workbook(&text)] {
        let table = Table::open(&bytes, &Limits::default()).unwrap();
        let rows: Vec<Row> = table.rows().map(Result::unwrap).collect();
        let header = Header::find(&rows[0], catalog::row::COLUMNS).unwrap();
        let codes = |row: &Row| {
            let mut fields = Fields::new(&header, row);
            let product = catalog::row::product(&mut fields);
            let errors = fields.into_errors();
            (
                product.is_some(),
                errors.iter().map(|error| (error.row_number, error.code, error.raw_value.len())).collect(),
            )
        };
        assert_eq!(codes(&rows[1]), (false, vec![(2, "CELL_TOO_LONG", 200)]));
        assert_eq!(codes(&rows[2]), (true, Vec::<(u64, &str, usize)>::new()));
    }
}

/// The same cases in every run; or as many new ones as `PROPTEST_CASES` asks for, to search for mistakes.
fn config() -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() {
        return config;
    }
    ProptestConfig { cases: 200, rng_seed: RngSeed::Fixed(1), ..config }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..2_000)) {
        read(&bytes);
    }

    #[test]
    fn payloads(text in r#"[{\[]?("[a-zA-Z]{0,12}":?|[0-9eE.+-]{1,9}|null|true|[,:{}\[\]]){0,12}"#, bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for bytes in [text.as_bytes(), &bytes] {
            if let Err(error) = Payload::read(bytes) {
                prop_assert_eq!(error.code, "PAYLOAD_INVALID");
            }
        }
    }

    #[test]
    fn samples_with_other_cells(sample in sample(), at in any::<prop::sample::Index>(), cell in cell()) {
        let mut cells: Vec<&str> = sample.split(',').collect();
        let at = at.index(cells.len());
        cells[at] = &cell;
        prop_assert!(read(cells.join(",").as_bytes()) <= LIMITS.rows + 1);
    }

    #[test]
    fn workbooks_with_other_bytes(
        sample in sample(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        end in any::<prop::sample::Index>(),
        whole in any::<bool>(),
    ) {
        let mut bytes = workbook(&sample);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        let end = if whole { bytes.len() } else { end.index(bytes.len()) };
        prop_assert!(read(&bytes[..end]) <= LIMITS.rows + 1);
    }
}
