//! The tables of the catalog, with their columns: those that clients were seen to read.

use rumormill_core::table::{Column, Kind, Table};

macro_rules! tables {
    ($($name:ident: $($column:ident $kind:ident),+;)+) => {
        &[$(&Table {
            name: stringify!($name),
            about: "part of PostgreSQL's catalog",
            key: &[],
            columns: &[$(Column { name: stringify!($column), kind: Kind::$kind, about: "as in PostgreSQL" }),+],
        }),+]
    };
}

/// `pg_catalog`.
pub static CATALOG: &[&Table] = tables! {
    pg_class: oid Int, relname Text, relnamespace Int, reltype Int, reloftype Int, relowner Int, relam Int,
        relfilenode Int, reltablespace Int, relpages Int, reltuples Float, relallvisible Int, reltoastrelid Int,
        relhasindex Bool, relisshared Bool, relpersistence Text, relkind Text, relnatts Int, relchecks Int,
        relhasrules Bool, relhastriggers Bool, relhassubclass Bool, relrowsecurity Bool,
        relforcerowsecurity Bool, relispopulated Bool, relreplident Text, relispartition Bool, relrewrite Int,
        relacl Text, reloptions Text, relpartbound Text;
    pg_namespace: oid Int, nspname Text, nspowner Int, nspacl Text;
    pg_attribute: attrelid Int, attname Text, atttypid Int, attstattarget Int, attlen Int, attnum Int,
        attndims Int, attcacheoff Int, atttypmod Int, attbyval Bool, attalign Text, attstorage Text,
        attcompression Text, attnotnull Bool, atthasdef Bool, atthasmissing Bool, attidentity Text,
        attgenerated Text, attisdropped Bool, attislocal Bool, attinhcount Int, attcollation Int, attacl Text,
        attoptions Text, attfdwoptions Text;
    pg_type: oid Int, typname Text, typnamespace Int, typowner Int, typlen Int, typbyval Bool, typtype Text,
        typcategory Text, typispreferred Bool, typisdefined Bool, typdelim Text, typrelid Int, typelem Int,
        typarray Int, typinput Text, typoutput Text, typreceive Text, typsend Text, typnotnull Bool, typbasetype Int, typtypmod Int,
        typndims Int, typcollation Int, typdefault Text;
    pg_database: oid Int, datname Text, datdba Int, encoding Int, datlocprovider Text, datistemplate Bool,
        datallowconn Bool, datconnlimit Int, dattablespace Int, datcollate Text, datctype Text,
        daticulocale Text, datcollversion Text, datacl Text;
    pg_roles: oid Int, rolname Text, rolsuper Bool, rolinherit Bool, rolcreaterole Bool, rolcreatedb Bool,
        rolcanlogin Bool, rolreplication Bool, rolconnlimit Int, rolpassword Text, rolvaliduntil Time,
        rolbypassrls Bool, rolconfig Text;
    pg_user: usename Text, usesysid Int, usecreatedb Bool, usesuper Bool, userepl Bool, usebypassrls Bool;
    pg_auth_members: roleid Int, member Int, grantor Int, admin_option Bool;
    pg_am: oid Int, amname Text, amhandler Text, amtype Text;
    pg_proc: oid Int, proname Text, pronamespace Int, proowner Int, prolang Int, prokind Text,
        prosecdef Bool, proleakproof Bool, proisstrict Bool, proretset Bool, provolatile Text, proparallel Text,
        pronargs Int, prorettype Int, proargtypes Text, prosrc Text, proacl Text;
    pg_opclass: oid Int, opcmethod Int, opcname Text, opcnamespace Int, opcowner Int, opcfamily Int, opcintype Int,
        opcdefault Bool, opckeytype Int;
    pg_language: oid Int, lanname Text, lanowner Int;
    pg_description: objoid Int, classoid Int, objsubid Int, description Text;
    pg_settings: name Text, setting Text, unit Text, category Text, short_desc Text, context Text, vartype Text;
    pg_tables: schemaname Text, tablename Text, tableowner Text, tablespace Text, hasindexes Bool,
        hasrules Bool, hastriggers Bool, rowsecurity Bool;
    pg_views: schemaname Text, viewname Text, viewowner Text, definition Text;
    pg_matviews: schemaname Text, matviewname Text, matviewowner Text, definition Text;
    pg_attrdef: oid Int, adrelid Int, adnum Int, adbin Text;
    pg_collation: oid Int, collname Text, collnamespace Int, collowner Int, collprovider Text,
        collisdeterministic Bool, collencoding Int, collcollate Text, collctype Text;
    pg_index: indexrelid Int, indrelid Int, indnatts Int, indnkeyatts Int, indisunique Bool,
        indnullsnotdistinct Bool, indisprimary Bool, indisexclusion Bool, indimmediate Bool,
        indisclustered Bool, indisvalid Bool, indcheckxmin Bool, indisready Bool, indislive Bool,
        indisreplident Bool, indkey Text, indcollation Text, indclass Text, indoption Text, indexprs Text,
        indpred Text;
    pg_constraint: oid Int, conname Text, connamespace Int, contype Text, condeferrable Bool,
        condeferred Bool, convalidated Bool, conrelid Int, contypid Int, conindid Int, conparentid Int,
        confrelid Int, confupdtype Text, confdeltype Text, confmatchtype Text, conislocal Bool,
        coninhcount Int, connoinherit Bool, conkey Text, confkey Text, conbin Text;
    pg_policy: oid Int, polname Text, polrelid Int, polcmd Text, polpermissive Bool, polroles Text,
        polqual Text, polwithcheck Text;
    pg_statistic_ext: oid Int, stxrelid Int, stxname Text, stxnamespace Int, stxowner Int, stxstattarget Int,
        stxkeys Text, stxkind Text, stxexprs Text;
    pg_publication: oid Int, pubname Text, pubowner Int, puballtables Bool, pubinsert Bool, pubupdate Bool,
        pubdelete Bool, pubtruncate Bool, pubviaroot Bool;
    pg_publication_rel: oid Int, prpubid Int, prrelid Int, prqual Text, prattrs Text;
    pg_publication_namespace: oid Int, pnpubid Int, pnnspid Int;
    pg_inherits: inhrelid Int, inhparent Int, inhseqno Int, inhdetachpending Bool;
    pg_trigger: oid Int, tgrelid Int, tgparentid Int, tgname Text, tgfoid Int, tgtype Int, tgenabled Text,
        tgisinternal Bool, tgconstraint Int;
    pg_rewrite: oid Int, rulename Text, ev_class Int, ev_type Text, ev_enabled Text, is_instead Bool;
    pg_enum: oid Int, enumtypid Int, enumsortorder Float, enumlabel Text;
    pg_range: rngtypid Int, rngsubtype Int, rngmultitypid Int;
    pg_sequence: seqrelid Int, seqtypid Int, seqstart Int, seqincrement Int, seqmax Int, seqmin Int,
        seqcache Int, seqcycle Bool;
    pg_extension: oid Int, extname Text, extowner Int, extnamespace Int, extversion Text;
    pg_tablespace: oid Int, spcname Text, spcowner Int, spcacl Text, spcoptions Text;
    pg_db_role_setting: setdatabase Int, setrole Int, setconfig Text;
    pg_shdescription: objoid Int, classoid Int, description Text;
    pg_depend: classid Int, objid Int, objsubid Int, refclassid Int, refobjid Int, refobjsubid Int, deptype Text;
    pg_foreign_table: ftrelid Int, ftserver Int, ftoptions Text;
    pg_foreign_server: oid Int, srvname Text, srvowner Int, srvfdw Int;
    pg_partitioned_table: partrelid Int, partstrat Text, partnatts Int, partdefid Int;
};

/// `information_schema`.
pub static INFORMATION: &[&Table] = tables! {
    tables: table_catalog Text, table_schema Text, table_name Text, table_type Text,
        is_insertable_into Text, is_typed Text;
    columns: table_catalog Text, table_schema Text, table_name Text, column_name Text, ordinal_position Int,
        column_default Text, is_nullable Text, data_type Text, character_maximum_length Int,
        numeric_precision Int, numeric_scale Int, datetime_precision Int, udt_catalog Text, udt_schema Text,
        udt_name Text, is_identity Text, is_generated Text, is_updatable Text;
    schemata: catalog_name Text, schema_name Text, schema_owner Text;
    views: table_catalog Text, table_schema Text, table_name Text, view_definition Text;
    table_constraints: constraint_catalog Text, constraint_schema Text, constraint_name Text,
        table_catalog Text, table_schema Text, table_name Text, constraint_type Text;
    key_column_usage: constraint_catalog Text, constraint_schema Text, constraint_name Text,
        table_catalog Text, table_schema Text, table_name Text, column_name Text, ordinal_position Int;
    routines: specific_schema Text, specific_name Text, routine_schema Text, routine_name Text,
        routine_type Text, data_type Text;
};
