//! A product and the key of a measure's definition in; inside, outside or not to be told out.
//!
//! A definition that is not encoded is never better than a reason to look.

use rust_decimal::Decimal;

use super::product::Product;

/// What a definition says of a product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// It is covered, and why.
    In(&'static str),
    /// It is excluded, and by what.
    Out(&'static str),
    /// This attribute would decide.
    Missing(&'static str),
    /// Somebody has to read the definition.
    NotEncoded,
    /// Nothing in the text says that it is such a product at all.
    OtherKind,
}

/// Applies the rules of a definition. `listed` says that the tariff number points to the measure.
#[must_use]
pub fn apply(scope_key: &str, product: &Product, listed: Listed) -> Scope {
    let (kind, rules): (&[&str], fn(&Product) -> Scope) = match scope_key {
        "uds" => (SEATING, seating),
        "mat" => (&["mattress", "topper", "futon"], mattress),
        "sss" => (&["sink"], sink),
        "ae" => (&["aluminum extrusion", "aluminium extrusion"], extrusion),
        "sml" => (&["solar panel", "photovoltaic module", "solar module"], solar),
        "fas" => (&["screw", "nut", "bolt", "fastener"], fastener),
        "pot" => (&["potato"], potato),
        "hpc" => (&["pea protein"], protein),
        _ => (&[], |_| Scope::NotEncoded),
    };
    if listed == Listed::No && !product.says(kind) {
        return Scope::OtherKind;
    }
    rules(product)
}

/// Whether the tariff number points to the measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listed {
    /// At least six digits are the same.
    Yes,
    /// Fewer are.
    No,
}

const SEATING: &[&str] =
    &["sofa", "couch", "recliner", "loveseat", "armchair", "sectional", "chair", "stool", "futon", "seating"];

fn seating(product: &Product) -> Scope {
    let excluded: &[(&[&str], &str)] = &[
        (&["dining chair", "dining bench"], "UDS_DINING"),
        (&["outdoor", "patio"], "UDS_OUTDOOR"),
        (&["bean bag"], "UDS_BEAN_BAG"),
        (&["foldable", "folding", "stackable", "stacking"], "UDS_FOLDABLE"),
        (&["gaming chair"], "UDS_GAMING"),
    ];
    if let Some((_, code)) = excluded.iter().find(|(phrases, _)| product.says(phrases)) {
        return Scope::Out(code);
    }
    if product.says(&["massage chair"]) {
        // The tribunal excluded some of them, by their functions.
        match product.flag("massage_excluded") {
            Some(true) => return Scope::Out("UDS_MASSAGE"),
            Some(false) => {}
            None => return Scope::Missing("massage_excluded"),
        }
    }
    if product.says(&["stool"]) {
        match product.figure("seat_height_in") {
            Some(height) if height > Decimal::from(24) => return Scope::Out("UDS_TALL_STOOL"),
            Some(_) => {}
            None => return Scope::Missing("seat_height_in"),
        }
    }
    match (product.flag("motion"), product.word("covering")) {
        (None, _) => Scope::Missing("motion"),
        (Some(true), _) => Scope::In("SCOPE_IN_MOTION"),
        (Some(false), None) => Scope::Missing("covering"),
        (Some(false), Some(covering)) if is_leather(&covering) => Scope::In("SCOPE_IN_LEATHER"),
        (Some(false), Some(_)) => Scope::Out("UDS_STATIONARY_FABRIC"),
    }
}

/// What only looks like leather is a fabric.
fn is_leather(covering: &str) -> bool {
    let imitations = ["faux", "look", "vegan", "pu ", "imitation", "synthetic", "artificial", "leatherette"];
    covering.contains("leather") && !imitations.iter().any(|word| covering.contains(word))
}

fn mattress(product: &Product) -> Scope {
    let excluded: &[(&[&str], &str)] = &[
        (&["pet", "dog", "cat"], "MAT_PET"),
        (&["foundation", "box spring"], "MAT_FOUNDATION"),
        (&["camping"], "MAT_CAMPING"),
        (&["stretcher"], "MAT_STRETCHER"),
        (&["boat", "rv"], "MAT_BOAT_RV"),
        (&["air mattress", "inflatable", "air bed"], "MAT_AIR"),
        (&["water bed", "waterbed", "water mattress"], "MAT_WATER"),
    ];
    if let Some((_, code)) = excluded.iter().find(|(phrases, _)| product.says(phrases)) {
        return Scope::Out(code);
    }
    if product.flag("in_furniture") == Some(true) {
        return Scope::Out("MAT_IN_FURNITURE");
    }
    if product.says(&["futon"]) {
        match product.word("core") {
            None => return Scope::Missing("core"),
            Some(core) if !core.contains("spring") && !core.contains("foam") => return Scope::Out("MAT_FUTON"),
            Some(_) => {}
        }
    }
    if product.says(&["topper"]) {
        match product.figure("height_in") {
            None => return Scope::Missing("height_in"),
            Some(height) if height < Decimal::from(3) => return Scope::Out("MAT_THIN_TOPPER"),
            Some(_) => {}
        }
    }
    Scope::In("SCOPE_IN_MATTRESS")
}

fn sink(product: &Product) -> Scope {
    let Some(forming) = product.word("forming") else { return Scope::Missing("forming") };
    if !forming.contains("drawn") {
        return Scope::Out("SSS_FABRICATED");
    }
    let Some(volume) = product.figure("bowl_volume_in3") else { return Scope::Missing("bowl_volume_in3") };
    let many =
        product.figure("bowls").map_or_else(|| product.says(&["double bowl", "triple bowl"]), |n| n > Decimal::ONE);
    let (least, most) = if many { (2200, 6800) } else { (1600, 5000) };
    within(volume, least, most, "SCOPE_IN_SINK", "SSS_VOLUME")
}

fn extrusion(product: &Product) -> Scope {
    let Some(series) = product.figure("alloy_series") else { return Scope::Missing("alloy_series") };
    let Some(wall) = product.figure("wall_mm") else { return Scope::Missing("wall_mm") };
    let Some(weight) = product.figure("kg_per_m") else { return Scope::Missing("kg_per_m") };
    let Some(circle) = product.figure("circle_mm") else { return Scope::Missing("circle_mm") };
    let family = if series >= Decimal::from(1000) { (series / Decimal::from(1000)).floor() } else { series };
    if ![1, 2, 3, 5, 6, 7].map(Decimal::from).contains(&family) {
        return Scope::Out("AE_ALLOY");
    }
    let thin = wall <= Decimal::new(5, 1);
    let large = weight > Decimal::from(22) || circle > Decimal::from(254);
    if thin || large { Scope::Out("AE_DIMENSIONS") } else { Scope::In("SCOPE_IN_EXTRUSION") }
}

fn solar(product: &Product) -> Scope {
    match product.figure("watts") {
        None => Scope::Missing("watts"),
        Some(watts) if watts <= Decimal::from(100) => Scope::Out("SML_SMALL"),
        Some(_) => Scope::In("SCOPE_IN_MODULE"),
    }
}

/// Type and size say whether a screw is on the list; the list itself is for somebody to read.
fn fastener(product: &Product) -> Scope {
    if product.says(&["automotive", "aerospace"]) {
        return Scope::Out("FAS_EXCLUDED");
    }
    let missing = ["screw_type", "size"].into_iter().find(|name| product.word(name).is_none());
    missing.map_or(Scope::NotEncoded, Scope::Missing)
}

fn potato(product: &Product) -> Scope {
    let of_size = product.figure("count").is_some_and(|count| (Decimal::from(40)..=Decimal::from(80)).contains(&count));
    if product.says(&["seed", "red", "yellow", "exotic", "organic"]) || of_size {
        return Scope::Out("POT_EXCLUDED");
    }
    Scope::In("SCOPE_IN_POTATO")
}

fn protein(product: &Product) -> Scope {
    if product.says(&["texturized", "textured"]) {
        return Scope::Out("HPC_TEXTURIZED");
    }
    match product.figure("protein_pct") {
        None => Scope::Missing("protein_pct"),
        Some(share) => within(share, 65, 100, "SCOPE_IN_PROTEIN", "HPC_LOW_PROTEIN"),
    }
}

fn within(value: Decimal, least: i64, most: i64, inside: &'static str, outside: &'static str) -> Scope {
    let is_within = (Decimal::from(least)..=Decimal::from(most)).contains(&value);
    if is_within { Scope::In(inside) } else { Scope::Out(outside) }
}
