//! Names, cities and mail providers that customers are given.

/// Given names, feminine.
pub const FEMININE: [&str; 24] = [
    "María", "Carmen", "Ana", "Lucía", "Marta", "Laura", "Sofía", "Elena", "Paula", "Irene", "Nuria", "Sara", "Alba",
    "Cristina", "Noelia", "Inés", "Itziar", "Montse", "Rocío", "Emma", "Julia", "Chloé", "Beatriz", "Ainhoa",
];

/// Given names, masculine.
pub const MASCULINE: [&str; 24] = [
    "José",
    "Antonio",
    "Manuel",
    "Javier",
    "David",
    "Daniel",
    "Carlos",
    "Miguel",
    "Alejandro",
    "Pablo",
    "Sergio",
    "Jorge",
    "Álvaro",
    "Adrián",
    "Iker",
    "Rubén",
    "Raúl",
    "Íñigo",
    "Hugo",
    "Mateo",
    "João",
    "Luca",
    "Thomas",
    "Óscar",
];

/// Family names.
pub const FAMILY: [&str; 40] = [
    "García",
    "Rodríguez",
    "González",
    "Fernández",
    "López",
    "Martínez",
    "Sánchez",
    "Pérez",
    "Gómez",
    "Martín",
    "Jiménez",
    "Ruiz",
    "Hernández",
    "Díaz",
    "Moreno",
    "Muñoz",
    "Álvarez",
    "Romero",
    "Alonso",
    "Gutiérrez",
    "Navarro",
    "Torres",
    "Domínguez",
    "Vázquez",
    "Ramos",
    "Gil",
    "Serrano",
    "Blanco",
    "Molina",
    "Morales",
    "Suárez",
    "Ortega",
    "Delgado",
    "Castro",
    "Ortiz",
    "Rubio",
    "Marín",
    "Sanz",
    "Núñez",
    "Iglesias",
];

/// Where mail goes.
pub const MAIL: [&str; 5] = ["gmail.example", "hotmail.example", "yahoo.example", "outlook.example", "correo.example"];

/// A country the shop delivers to.
pub struct Country {
    /// ISO 3166-1 alpha-2.
    pub code: &'static str,
    /// Prefix of telephone numbers.
    pub prefix: &'static str,
    /// Language of most of its customers.
    pub language: &'static str,
    /// Share of customers.
    pub weight: f64,
    /// Tax on goods, in percent.
    pub tax_percent: i64,
    /// Days a parcel takes, at least and at most.
    pub transit: (i32, i32),
    /// Cities and how their postal codes begin.
    pub cities: &'static [(&'static str, &'static str)],
}

/// Countries, the shop's own first.
pub static COUNTRIES: [Country; 5] = [
    Country {
        code: "ES",
        prefix: "+34",
        language: "es",
        weight: 0.8,
        tax_percent: 21,
        transit: (1, 3),
        cities: &[
            ("Madrid", "280"),
            ("Barcelona", "080"),
            ("Valencia", "460"),
            ("Sevilla", "410"),
            ("Zaragoza", "500"),
            ("Málaga", "290"),
            ("Bilbao", "480"),
            ("A Coruña", "150"),
            ("Murcia", "300"),
            ("Palma", "070"),
            ("Donostia / San Sebastián", "200"),
        ],
    },
    Country {
        code: "PT",
        prefix: "+351",
        language: "pt",
        weight: 0.09,
        tax_percent: 23,
        transit: (2, 4),
        cities: &[("Lisboa", "10"), ("Porto", "40"), ("Braga", "47")],
    },
    Country {
        code: "FR",
        prefix: "+33",
        language: "fr",
        weight: 0.05,
        tax_percent: 20,
        transit: (3, 5),
        cities: &[("Paris", "750"), ("Toulouse", "310"), ("Bordeaux", "330")],
    },
    Country {
        code: "IT",
        prefix: "+39",
        language: "it",
        weight: 0.03,
        tax_percent: 22,
        transit: (3, 6),
        cities: &[("Milano", "201"), ("Roma", "001")],
    },
    Country {
        code: "DE",
        prefix: "+49",
        language: "en",
        weight: 0.03,
        tax_percent: 19,
        transit: (3, 6),
        cities: &[("Berlin", "101"), ("Köln", "506")],
    },
];
