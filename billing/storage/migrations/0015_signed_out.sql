-- Tokens that were issued before are refused: a stolen one can be neither called back nor found.
alter table clients add column signed_out_at timestamptz;
