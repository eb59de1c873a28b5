"""Damage to the rows of the film rental shop, of forty kinds. Each text is sent on its own, triggers and rules act."""

from __future__ import annotations

from collections.abc import Mapping

_OFF, _ON = "SET session_replication_role = replica", "SET session_replication_role = origin"

LEDGER = "CREATE TABLE public.ledger AS SELECT customer_id, amount, payment_date FROM public.payment"
"""The shop has no table without a key; this is one, with rows that are alike."""

SAKILA_DAMAGES: Mapping[str, tuple[str, ...]] = {
    "the price of one film": ("UPDATE film SET rental_rate = rental_rate + 1 WHERE film_id = 1",),
    "all prices": ("UPDATE film SET rental_rate = 0.99",),
    "a title, and what a trigger makes of it": ("UPDATE film SET title = 'FREE' WHERE film_id = 100",),
    "an enum": ("UPDATE film SET rating = 'G' WHERE rating = 'NC-17'",),
    "an array": ("UPDATE film SET special_features = '{}' WHERE film_id < 50",),
    "an array with NULL": ("UPDATE film SET special_features = ARRAY[NULL, 'x'] WHERE film_id = 5",),
    "a domain": ("UPDATE film SET release_year = 1999 WHERE film_id BETWEEN 10 AND 20",),
    "a full text vector": (
        "ALTER TABLE film DISABLE TRIGGER USER",
        "UPDATE film SET fulltext = '' WHERE film_id < 30",
        "ALTER TABLE film ENABLE TRIGGER USER",
    ),
    "text set to NULL": ("UPDATE film SET description = NULL",),
    "a language swapped": ("UPDATE film SET language_id = 2 WHERE film_id % 7 = 0",),
    "two names traded": (
        "UPDATE actor a SET first_name = b.first_name FROM actor b WHERE a.actor_id IN (1, 2) AND b.actor_id = 3 - a.actor_id",
    ),
    "one actor of one film": ("DELETE FROM film_actor WHERE actor_id = 1 AND film_id = 1",),
    "all actors of all films": ("DELETE FROM film_actor",),
    "categories truncated": ("TRUNCATE film_category",),
    "everything about films truncated": ("TRUNCATE film CASCADE",),
    "rentals truncated with payments": ("TRUNCATE rental CASCADE",),
    "payments of one month": ("DELETE FROM payment WHERE payment_date < '2005-07-01'",),
    "one payment, no key": ("DELETE FROM ledger WHERE ctid = (SELECT min(ctid) FROM ledger)",),
    "payments doubled": ("INSERT INTO ledger SELECT * FROM ledger WHERE amount > 9",),
    "amounts by a cent": ("UPDATE ledger SET amount = amount + 0.01 WHERE customer_id % 100 = 0",),
    "payments of a customer moved to another": ("UPDATE payment SET customer_id = 2 WHERE customer_id = 1",),
    "a payment through the rule of the parent": (
        "INSERT INTO payment (customer_id, staff_id, rental_id, amount, payment_date) VALUES (1, 1, 1, 5, '2007-05-05')",
    ),
    "rentals returned": ("UPDATE rental SET return_date = NULL WHERE rental_id % 50 = 0",),
    "rentals moved in time": ("UPDATE rental SET rental_date = rental_date + interval '1 microsecond'",),
    "a rental deleted behind the keys": (_OFF, "DELETE FROM rental WHERE rental_id = 1000", _ON),
    "an honest looking rental": (
        "INSERT INTO rental (rental_date, inventory_id, customer_id, staff_id) VALUES ('2026-01-01', 1, 1, 1)",
    ),
    "a customer renumbered, with cascades": ("UPDATE customer SET customer_id = 9000 WHERE customer_id = 5",),
    "a customer deleted behind the keys": (_OFF, "DELETE FROM customer WHERE customer_id < 10", _ON),
    "customers inactive": ("UPDATE customer SET activebool = false, active = 0",),
    "mail addresses": ("UPDATE customer SET email = lower(email)",),
    "a password": ("UPDATE staff SET password = 'hacked' WHERE staff_id = 1",),
    "a picture": ("UPDATE staff SET picture = '\\x00ff'::bytea WHERE staff_id = 2",),
    "a shop without its manager (a circle)": (
        _OFF,
        "DELETE FROM staff WHERE staff_id = 1",
        "DELETE FROM store WHERE store_id = 1",
        _ON,
    ),
    "managers traded (unique)": (
        _OFF,
        "UPDATE store SET manager_staff_id = 9 WHERE store_id = 1",
        "UPDATE store SET manager_staff_id = 1 WHERE store_id = 2",
        "UPDATE store SET manager_staff_id = 2 WHERE store_id = 1",
        _ON,
    ),
    "a country renumbered": ("UPDATE country SET country_id = 500 WHERE country_id = 44",),
    "cities of nowhere": (
        "INSERT INTO city (city, country_id) SELECT 'Nowhere ' || n, 1 FROM generate_series(1, 300) n",
    ),
    "an address with quotes": (
        "UPDATE address SET address = E'1 O''Hara \\\\ St; DROP TABLE x --', address2 = E'new\\nline' WHERE address_id < 5",
    ),
    "inventory moved to the other shop": ("UPDATE inventory SET store_id = 3 - store_id",),
    "blanks at the end of a language": (
        "UPDATE language SET name = 'Englisch' WHERE language_id = 1",
        "DELETE FROM language WHERE language_id = 6",
    ),
    "a sequence set back": ("SELECT setval('rental_rental_id_seq', 1)",),
    "a sequence far ahead, and rows with its numbers": (
        "SELECT setval('actor_actor_id_seq', 500000)",
        "INSERT INTO actor (first_name, last_name) VALUES ('A', 'B')",
    ),
    "everything at once": (
        "UPDATE film SET length = 1",
        "DELETE FROM film_actor WHERE film_id < 500",
        "TRUNCATE payment CASCADE",
        "INSERT INTO category (name) VALUES ('Spam')",
        _OFF,
        "DELETE FROM store",
        "DELETE FROM city WHERE city_id < 100",
        _ON,
    ),
}
