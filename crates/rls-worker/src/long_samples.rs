//! How many rows in, a file of one of the layouts out: for whoever wants to see how a lane bears many rows.
//!
//! Every key is another one, and the files fit together: row 7 of the orders wants what row 7 of the catalog is,
//! and names the shipment of row 7 of the invoices.

use std::fmt::Write as _;
use std::io::{self, Cursor, Write as _};

use zip::CompressionMethod;
use zip::write::SimpleFileOptions;

/// One product in ten is subject to duties.
const SUBJECT: usize = 10;

/// Products, as the catalog's lane takes them.
#[must_use]
pub fn catalog(rows: usize) -> String {
    let header = "sku,title,description,category,hs_code,country_of_origin,country_of_export,manufacturer,exporter_name,exporter_id,unit_cost,currency,uom,net_weight_kg,attributes";
    file(header, rows, |text, row| {
        if row.is_multiple_of(SUBJECT) {
            write!(
                text,
                r#"P-{row:06},Leather power recliner,"Power recliner, top-grain leather",seating,9401.61.10.10,CN,US,Haitong Home,Homeport Retail LLC,,320.00,USD,NMB,41.0,"{{""motion"":true,""covering"":""leather""}}""#
            )
        } else {
            write!(
                text,
                "P-{row:06},Oak dining table,Solid oak,tables,9403.60.10.00,VN,VN,Tan Hoa,,,180.00,USD,NMB,38.0,"
            )
        }
    })
}

/// Order lines, each of an order of its own; every other one is not shipped yet.
#[must_use]
pub fn orders(rows: usize) -> String {
    let header = "order_number,order_date,line_number,sku,quantity,unit_price,currency,po_number,tracking_numbers,carrier,ship_to_country,ship_to_region,ship_to_postal,address_type,exporter_name,export_country,requested_ship_date,status";
    file(header, rows, |text, row| {
        let status = if row.is_multiple_of(2) { "OPEN" } else { "SHIPPED" };
        let postal = postal(row);
        write!(
            text,
            "SO-{row:06},2026-02-09,1,P-{row:06},2,899.00,CAD,PO-{row:06},7946{row:08},FEDEX,CA,ON,{postal},C,,US,2026-02-19,{status}"
        )
    })
}

/// Charges in our own layout: the freight of one shipment each, a hundred on an invoice.
#[must_use]
pub fn canonical(rows: usize) -> String {
    let header = "carrier,account_number,invoice_number,invoice_date,tracking_number,service_code,ship_date,zone,actual_weight,billed_weight,weight_unit,length,width,height,dim_unit,residential,dest_postal,dest_country,charge_code,charge_description,gross_amount,discount_amount,net_amount,currency,reference_1";
    file(header, rows, |text, row| {
        let (invoice, postal, gross) =
            (row / 100, postal(row), if row.is_multiple_of(SUBJECT) { "20.85" } else { "16.85" });
        let net = if row.is_multiple_of(SUBJECT) { "14.45" } else { "10.45" };
        write!(
            text,
            "FEDEX,601234567,FX-{invoice:05},2026-02-13,7946{row:08},GROUND,2026-02-11,3,8.2,9,LB,12,10,8,IN,N,{postal},CA,FRT,Ground,{gross},6.40,{net},CAD,SO-{row:06}"
        )
    })
}

/// Shipments in the FedEx-style layout, each with its freight, a discount and its fuel.
#[must_use]
pub fn fedex(rows: usize) -> String {
    let header = "Bill to Account Number,Invoice Date,Invoice Number,Invoice Currency,Net Charge Amount,Express or Ground Tracking ID,Transportation Charge Amount,Service Type,Shipment Date,Actual Weight Amount,Actual Weight Units,Rated Weight Amount,Rated Weight Units,Dim Length,Dim Width,Dim Height,Dim Unit,Zone Code,Recipient Zip Code,Original Customer Reference,Tracking ID Charge Description,Tracking ID Charge Amount,Tracking ID Charge Description,Tracking ID Charge Amount";
    file(header, rows, |text, row| {
        let (invoice, postal) = (row / 100, postal(row));
        write!(
            text,
            "601234567,20260213,FX-{invoice:05},CAD,12.54,7946{row:08},16.85,Ground,20260211,8.2,L,9,L,12,10,8,IN,3,{postal},SO-{row:06},Earned Discount,-6.40,Fuel Surcharge,2.09"
        )
    })
}

/// Freight charges as a raw UPS 2.1 export: no header, and empty columns at the end left out.
#[must_use]
pub fn ups(rows: usize) -> String {
    let mut text = String::new();
    for row in 0..rows {
        let (invoice, tracking, reference) =
            (format!("V{:05}", row / 100), format!("1Z999AA1{row:010}"), format!("SO-{row:06}"));
        let postal = postal(row);
        let cells: [(usize, &str); 20] = [
            (1, "2.1"),
            (3, "0000A1B2C3"),
            (5, "2026-02-14"),
            (6, &invoice),
            (10, "CAD"),
            (16, &reference),
            (21, &tracking),
            (27, "8.2"),
            (28, "L"),
            (29, "9"),
            (30, "L"),
            (33, "12.0x 10.0x 8.0"),
            (34, "203"),
            (44, "FRT"),
            (45, "003"),
            (46, "Ground Commercial"),
            (52, "5.00"),
            (53, "12.00"),
            (81, &postal),
            (117, "2026-02-10"),
        ];
        let mut at = 1;
        for (column, cell) in cells {
            text.extend(std::iter::repeat_n(',', column - at));
            text.push_str(cell);
            at = column;
        }
        text.push('\n');
    }
    text
}

/// A CSV text as the only sheet of a workbook.
///
/// # Errors
/// When the text is no CSV, or the archive gets too large.
pub fn workbook(text: &str, packing: CompressionMethod) -> io::Result<Vec<u8>> {
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let relations = "http://schemas.openxmlformats.org/package/2006/relationships";
    let document = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let parts = [
        (
            "_rels/.rels",
            format!(
                r#"<Relationships xmlns="{relations}"><Relationship Id="r" Type="{document}/officeDocument" Target="xl/workbook.xml"/></Relationships>"#
            ),
        ),
        (
            "xl/workbook.xml",
            format!(
                r#"<workbook xmlns="{main}" xmlns:r="{document}"><sheets><sheet name="S" sheetId="1" r:id="r"/></sheets></workbook>"#
            ),
        ),
        (
            "xl/_rels/workbook.xml.rels",
            format!(
                r#"<Relationships xmlns="{relations}"><Relationship Id="r" Type="{document}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>"#
            ),
        ),
        (
            "xl/worksheets/sheet1.xml",
            format!(r#"<worksheet xmlns="{main}"><sheetData>{}</sheetData></worksheet>"#, rows(text)?),
        ),
    ];
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (name, text) in parts {
        writer.start_file(name, SimpleFileOptions::default().compression_method(packing))?;
        writer.write_all(text.as_bytes())?;
    }
    Ok(writer.finish()?.into_inner())
}

fn rows(text: &str) -> io::Result<String> {
    let mut sheet = String::new();
    for record in csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes()).records() {
        sheet.push_str("<row>");
        for cell in &record? {
            let escaped = cell.replace('&', "&amp;").replace('<', "&lt;");
            sheet.push_str("<c t=\"inlineStr\"><is><t>");
            sheet.push_str(&escaped);
            sheet.push_str("</t></is></c>");
        }
        sheet.push_str("</row>");
    }
    Ok(sheet)
}

/// One of a thousand addresses.
fn postal(row: usize) -> String {
    let digit = |place: usize| row / 10_usize.pow(place as u32) % 10;
    format!("M{}V {}T{}", digit(0), digit(1), digit(2))
}

fn file(header: &str, rows: usize, line: impl Fn(&mut String, usize) -> std::fmt::Result) -> String {
    let mut text = header.to_owned();
    for row in 0..rows {
        text.push('\n');
        line(&mut text, row).expect("a text takes whatever is written to it");
    }
    text
}
