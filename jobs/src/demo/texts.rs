//! What customers write.

use super::random::{Random, chance, one};

/// Why goods come back, in the shop's own words.
pub const RETURN_REASONS: [&str; 6] = [
    "no le gusta el sabor",
    "llegó dañado",
    "producto equivocado",
    "caducidad próxima",
    "ya no lo necesita",
    "talla, no le vale",
];

struct Voice {
    titles: [&'static str; 4],
    first: [&'static str; 5],
    second: [&'static str; 4],
}

static SPANISH: [Voice; 3] = [
    Voice {
        titles: ["Decepcionado", "No lo recomiendo", "Muy mal", "Esperaba más"],
        first: [
            "El sabor es horrible, no se disuelve bien.",
            "Llegó con el bote abierto y el envío tardó una semana.",
            "No noto ningún efecto, dinero tirado.",
            "Me ha sentado fatal.",
            "El cierre vino roto; atención al cliente no contesta.",
        ],
        second: [
            "No repetiré.",
            "He pedido la devolución.",
            "Una pena, antes era \"mi marca\".",
            "Muy caro para lo que es.",
        ],
    },
    Voice {
        titles: ["Normal", "Cumple", "Ni fu ni fa", "Correcto"],
        first: [
            "El producto está bien, sin más.",
            "El sabor es pasable, la textura un poco arenosa.",
            "Cumple lo que promete, aunque el envío se retrasó.",
            "Por el precio no está mal.",
            "La calidad ha bajado un poco desde la última vez.",
        ],
        second: ["Quizá repita.", "Hay opciones mejores.", "Para probar vale.", "Esperaba algo más."],
    },
    Voice {
        titles: ["¡Muy bueno!", "Repetiré", "Excelente calidad", "El mejor que he probado"],
        first: [
            "Se disuelve perfectamente y el sabor es buenísimo.",
            "Envío rapidísimo, todo perfecto.",
            "Noto mucho la diferencia en los entrenos.",
            "Gran relación calidad-precio.",
            "Llevo un año tomándolo y estoy encantada.",
        ],
        second: [
            "Muy recomendable.",
            "Ya he pedido otro bote.",
            "Mi entrenador dice: \"el mejor\".",
            "Volveré a comprar, sin duda.",
        ],
    },
];

static ENGLISH: [Voice; 3] = [
    Voice {
        titles: ["Disappointed", "Not worth it", "Terrible", "Avoid"],
        first: [
            "Tastes awful and does not mix at all.",
            "Arrived damaged, and support never answered.",
            "I felt no effect whatsoever.",
            "It upset my stomach.",
            "The lid was broken and delivery took ten days.",
        ],
        second: ["I want my money back.", "Never again.", "Overpriced.", "The old recipe was \"fine\"."],
    },
    Voice {
        titles: ["It is OK", "Average", "Does the job", "Fine for the price"],
        first: [
            "Decent product, nothing special.",
            "The taste is acceptable, a bit too sweet.",
            "Works as described, but delivery was late.",
            "Fine for the price.",
            "Quality went down a little since last time.",
        ],
        second: ["I might buy it again.", "There are better ones.", "Good enough.", "Expected more."],
    },
    Voice {
        titles: ["Great!", "Will buy again", "Excellent quality", "Best I have tried"],
        first: [
            "Mixes perfectly and tastes amazing.",
            "Super fast delivery, everything perfect.",
            "I can really feel the difference in my training.",
            "Great value for money.",
            "Been using it for a year and love it.",
        ],
        second: [
            "Highly recommended.",
            "Already ordered another one.",
            "My coach says it is \"the one\".",
            "No complaints at all.",
        ],
    },
];

/// Title and text of a review; some texts have two lines.
pub fn review(language: &str, rating: i64, random: &mut Random) -> (&'static str, String) {
    let [bad, fair, good] = if language == "es" { &SPANISH } else { &ENGLISH };
    let voice = match rating {
        ..=2 => bad,
        3 => fair,
        _ => good,
    };
    let between = if chance(random, 0.15) { "\n" } else { " " };
    let body = format!("{}{between}{}", one(random, &voice.first), one(random, &voice.second));
    (one(random, &voice.titles), body)
}
