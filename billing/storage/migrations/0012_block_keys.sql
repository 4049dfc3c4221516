-- Under which key a block was laid, so that the same wish lays it once; a grant by hand has its key in
-- `source_id`. Null: laid without one.
alter table blocks add column key text unique;
