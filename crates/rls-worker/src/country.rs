//! A country as people write it in, its ISO 3166-1 code out.

/// All alpha-2 codes, in order.
const CODES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW";

/// Names that stand in catalogs instead of codes. Chinese Taipei is not China.
const NAMES: &[(&str, &str)] = &[
    ("brazil", "BR"),
    ("canada", "CA"),
    ("china", "CN"),
    ("chinese taipei", "TW"),
    ("germany", "DE"),
    ("india", "IN"),
    ("indonesia", "ID"),
    ("italy", "IT"),
    ("korea, republic of", "KR"),
    ("malaysia", "MY"),
    ("mexico", "MX"),
    ("people's republic of china", "CN"),
    ("poland", "PL"),
    ("south korea", "KR"),
    ("taiwan", "TW"),
    ("thailand", "TH"),
    ("turkey", "TR"),
    ("türkiye", "TR"),
    ("united kingdom", "GB"),
    ("united states", "US"),
    ("united states of america", "US"),
    ("usa", "US"),
    ("viet nam", "VN"),
    ("vietnam", "VN"),
];

/// The code of a country, given as code or name in whatever case.
///
/// ```
/// use rls_worker::country::code;
///
/// assert_eq!(code("Viet Nam").as_deref(), Some("VN"));
/// assert_eq!(code("Chinese Taipei").as_deref(), Some("TW"));
/// assert_eq!(code("XX"), None);
/// ```
#[must_use]
pub fn code(text: &str) -> Option<String> {
    let text = text.trim();
    let upper = text.to_uppercase();
    if upper.len() == 2 && CODES.split(' ').any(|code| code == upper) {
        return Some(upper);
    }
    let lower = text.to_lowercase();
    NAMES.iter().find(|(name, _)| *name == lower).map(|(_, code)| (*code).to_owned())
}
