-- The wholesaler writes countries in words and knows four that are none; those stay without a code.
select
    cast(countries.country as varchar) as country,
    cast(countries.country_code as varchar) as country_code
from (
    values
    ('Australia', 'AU'), ('Austria', 'AT'), ('Bahrain', 'BH'), ('Belgium', 'BE'), ('Brazil', 'BR'), ('Canada', 'CA'),
    ('Cyprus', 'CY'), ('Czech Republic', 'CZ'), ('Denmark', 'DK'), ('EIRE', 'IE'), ('Finland', 'FI'), ('France', 'FR'),
    ('Germany', 'DE'), ('Greece', 'GR'), ('Hong Kong', 'HK'), ('Iceland', 'IS'), ('Israel', 'IL'), ('Italy', 'IT'),
    ('Japan', 'JP'), ('Lebanon', 'LB'), ('Lithuania', 'LT'), ('Malta', 'MT'), ('Netherlands', 'NL'), ('Norway', 'NO'),
    ('Poland', 'PL'), ('Portugal', 'PT'), ('RSA', 'ZA'), ('Saudi Arabia', 'SA'), ('Singapore', 'SG'), ('Spain', 'ES'),
    ('Sweden', 'SE'), ('Switzerland', 'CH'), ('USA', 'US'), ('United Arab Emirates', 'AE'), ('United Kingdom', 'GB')
) as countries (country, country_code)
